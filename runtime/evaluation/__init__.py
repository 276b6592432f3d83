"""How rows are graded: contexts, batches, results and the cache of loaded graders."""
