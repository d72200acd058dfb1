"""Tables of any length, sorted and filtered in the kernel and sent by the window: of features, of SAEs."""
