"""Reading numbers as people and models write them, and comparing them: what `numeric_check` is made of."""
