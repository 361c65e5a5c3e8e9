"""Results for people: figures, tables, pages, published claims and what became of them."""
