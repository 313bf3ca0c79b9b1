"""What cells take from each other, read off their code: `effects` of a cell, and the words it is told by."""
