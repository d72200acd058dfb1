"""BlindTest, the kernel side: the widget, what its view is sent, and its page."""
