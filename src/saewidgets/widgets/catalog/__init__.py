"""SAEBrowser, the kernel side: the published SAEs that sae-lens knows as a table, and loading one of them."""
