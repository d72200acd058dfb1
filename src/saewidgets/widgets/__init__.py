"""anywidget front-ends on the engine: the kernel side of each view."""
