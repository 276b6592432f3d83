"""One module for each trainer; none of them needs its trainer to be imported."""
