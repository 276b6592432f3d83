"""Statistics of rewards: intervals, pass@k, paired comparisons."""
