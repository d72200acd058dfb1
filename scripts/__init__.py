"""A package and not just a folder: gguf 0.10 installs another `scripts`, which Python would take for this one."""
