"""Result tables: their model, their formats, and the tables of a run."""
