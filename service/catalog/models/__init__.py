"""Which model bundles the catalog knows, and the garments as each of them sees them."""
