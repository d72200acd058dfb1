"""SteeringPanel, the kernel side: the widget, what its views ask and are sent, and its page."""
