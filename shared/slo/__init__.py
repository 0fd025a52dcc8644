"""Service levels: days and their deadlines, the objective, the error budget, and the meanings of codes."""
