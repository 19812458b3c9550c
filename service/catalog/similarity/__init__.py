"""The similarity query and its indexes, from the components they are built on to their recall."""
