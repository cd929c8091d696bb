"""Minutes of kills, rotations, full disks and wrong clocks, and the truth beside them."""
