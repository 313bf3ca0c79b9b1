"""Language models before they speak: which there are, where their weights lie, how they get here.

`registry` reads the cards, `store` keeps the weights, `download` brings them (`parts` from an index, `fetch` one URL).
`backends` loads them. Importing this package loads nothing.
"""
