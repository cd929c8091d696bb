"""How much the profiles of detection find of what is disguised, on generated nonsense."""
