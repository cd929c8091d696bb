"""The dashboards as plain data; `python grafana/render.py` writes them to grafana/dashboards."""
