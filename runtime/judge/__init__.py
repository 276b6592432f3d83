"""Models that grade: servers and their limits, verdicts and their cache, budgets; `judges.Judges` is all of it."""
