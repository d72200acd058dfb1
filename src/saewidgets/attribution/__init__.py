"""Why a model says what it says: gradients of a metric to features, error terms and tokens; and attribution graphs."""
