"""Two features beside each other: of one SAE, of two SAEs, or of two models, on one text and on one corpus."""
