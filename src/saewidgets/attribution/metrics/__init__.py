"""Metrics: the number of which an attribution asks where it came from.

base: what a metric is; targets: which tokens and positions are meant; then the metrics by what they read.
"""
