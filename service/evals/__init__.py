"""The Evals API: criteria over rows of a data source, measured in the background by runs that outlive their process."""
