"""Language models before they speak: which there are, where their weights lie, how they get here.

`registry` reads the cards, `store` keeps the weights, `download` brings them (`parts` from an index, `fetch` one URL).
What nobody vouches for passes `formats` (no code), `gguf` (an honest header) and `trial` (a first load, in a box)
before `backends` loads it. Importing this package loads nothing.
"""
