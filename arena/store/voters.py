"""A voter's row, made when a visitor first leaves something here."""

WELCOME = "INSERT INTO voters (id, created_at) VALUES (:voter, :now) ON CONFLICT DO NOTHING"
"""For `carry_out`, before what needs the row of this `voter`; one who is known already stays as they are."""
