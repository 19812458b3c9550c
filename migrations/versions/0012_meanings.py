"""What columns of views mean: of whom there is a probability, and what the model says of what is no garment.

Safe while the old version serves: it shows what it finds.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# What each means from now on, and what was said before
MEANINGS = {
    "catalog_confidence.garments": (
        "garments of it whose photo the model has seen, and whose label it knows",
        "garments of it whose photo the model has seen",
    ),
    "catalog_agreement.predicted_label": (
        "the model's first label, also where it recognises no garment",
        "what the model alone says",
    ),
    "catalog_mislabels.predicted_label": (
        "the model's first label, also where it recognises no garment",
        "what the model alone says",
    ),
}


def upgrade() -> None:
    for column, (means, _) in MEANINGS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS $${means}$$")


def downgrade() -> None:
    for column, (_, meant) in MEANINGS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS $${meant}$$")
