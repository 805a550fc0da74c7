"""A function by which PostgreSQL appends one transaction in one round trip.

It takes what Python has checked and computed, adds what only the end of the chain tells (number, time, balances,
the hash before), and does nothing where anything is out of the ordinary: then the ordinary path decides and says why.
"""

from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "revision", "upgrade"]

revision = "append"
down_revision = "windows"
branch_labels = None
depends_on = None

# The pieces of the canonical JSON over which a transaction is hashed come in as text; between them stand
# the time, the balances after each leg, the hash before and the number.
_FUNCTION = """
CREATE FUNCTION append_ordinary(
    new_key text, new_kind text, new_reference text, new_details text, new_content_hash text, clock_ns bigint,
    leg_accounts text[], leg_assets text[], leg_amounts bigint[], leg_texts text[],
    head_text text, entries_text text, previous_text text, sequence_text text,
    OUT new_sequence bigint, OUT new_ns bigint, OUT new_hash text
) LANGUAGE plpgsql AS $$
DECLARE
    next_sequence bigint;
    previous text;
    now_ns bigint;
    afters bigint[];
    ordinary boolean;
    hashed text;
BEGIN
    SELECT h.sequence + 1, h.hash, GREATEST(clock_ns, t.created_ns) INTO next_sequence, previous, now_ns
        FROM head AS h LEFT JOIN transactions AS t ON t.sequence = h.sequence;
    -- A transaction that completes a tile of the Merkle log has more to write.
    IF next_sequence % 256 = 0 OR EXISTS (SELECT 1 FROM transactions AS t WHERE t.key = new_key) THEN
        RETURN;
    END IF;
    SELECT array_agg(b.amount + l.amount ORDER BY l.place),
           bool_and(CASE WHEN b.issuer THEN b.amount + l.amount BETWEEN -4611686018427387904 AND 0
                    ELSE b.amount + l.amount BETWEEN 0 AND 4611686018427387904 END)
        INTO afters, ordinary
        FROM unnest(leg_accounts, leg_assets, leg_amounts) WITH ORDINALITY AS l (account, asset, amount, place)
        JOIN balances AS b ON b.account = l.account AND b.asset = l.asset;
    IF ordinary IS NOT TRUE OR cardinality(afters) <> cardinality(leg_amounts) THEN
        RETURN;
    END IF;
    SELECT head_text || now_ns || entries_text
           || string_agg(l.start || l.after || ']', ',' ORDER BY l.place)
           || previous_text || previous || sequence_text || next_sequence || '}'
        INTO hashed FROM unnest(leg_texts, afters) WITH ORDINALITY AS l (start, after, place);
    hashed := encode(sha256(convert_to(hashed, 'UTF8')), 'hex');
    INSERT INTO transactions
        (sequence, key, kind, reference, details, content_hash, created_ns, previous_hash, hash)
        VALUES (next_sequence, new_key, new_kind, new_reference, new_details, new_content_hash, now_ns,
                previous, hashed);
    INSERT INTO entries (sequence, leg, account, asset, amount, balance)
        SELECT next_sequence, l.place - 1, l.account, l.asset, l.amount, l.after
        FROM unnest(leg_accounts, leg_assets, leg_amounts, afters) WITH ORDINALITY
            AS l (account, asset, amount, after, place);
    UPDATE balances AS b SET amount = l.after
        FROM unnest(leg_accounts, leg_assets, afters) AS l (account, asset, after)
        WHERE b.account = l.account AND b.asset = l.asset;
    UPDATE head SET sequence = next_sequence, hash = hashed;
    new_sequence := next_sequence;
    new_ns := now_ns;
    new_hash := hashed;
END $$
"""


def upgrade() -> None:
    """Create the function; SQLite runs within the program and has no round trips to save."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_FUNCTION)
