"""What a run leaves behind: every artefact is a pure function of a `Run`; only `folder`, `trace` and `view` do I/O."""
