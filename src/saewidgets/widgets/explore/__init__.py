"""explore: browser, dashboard, heatmap and steering panel, linked in one workbench."""
