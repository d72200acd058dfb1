"""A scan whose memory and disk depend on the features and not on the tokens: states of shards that merge exactly."""
