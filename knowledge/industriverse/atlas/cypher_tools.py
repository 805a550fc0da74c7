"""Query texts of archive, exchange and validator, under the rules of :mod:`industriverse.atlas.cypher`."""

from industriverse.atlas import cypher
from industriverse.atlas.model import Kind

__all__ = [
    "ARCHIVABLE",
    "DROP_ARCHIVED",
    "HOLDERS",
    "IMPORTS",
    "INCIDENT_STATES",
    "LIST_SEGMENTS",
    "OBJECT_KEYS",
    "RECORD_SEGMENTS",
    "SHIFTS_WITHOUT_TRANSITION",
    "TRANSITIONS",
    "all_texts",
]

# States that a shift, an incident or a proof rests on stay in the graph.
_IS_EVIDENCE = "EXISTS { MATCH (n)<-[:DETECTED_IN|INVOLVES|PROVES]-() }"
_DEGREE = "COUNT { (n)-[:TRANSITIONS_TO]-() }"

ARCHIVABLE = (
    f"MATCH (n:EnergyState) WHERE n.timestamp_ns < $before_ns AND NOT {_IS_EVIDENCE} "
    "WITH n.timestamp_ns AS timestamp_ns, n.id AS id ORDER BY timestamp_ns, id LIMIT $limit "
    "MATCH (n:EnergyState {id: id}) "
    f"RETURN {cypher.projection(Kind.STATE)}, {_DEGREE} AS links, "
    "[(n)-[t:TRANSITIONS_TO]->(m) | [m.id, t.cause]] AS following, "
    "[(n)<-[t:TRANSITIONS_TO]-(m) | [m.id, t.cause]] AS preceding "
    "ORDER BY timestamp_ns, id"
)
# A state that was written again or linked since it was read stays, and with it its whole batch.
DROP_ARCHIVED = (
    "UNWIND $rows AS row MATCH (n:EnergyState {id: row.id}) "
    "WHERE n.timestamp_ns = row.timestamp_ns AND n.energy = row.energy AND n.entropy = row.entropy "
    "AND n.regime = row.regime AND n.service = row.service AND n.evidence = row.evidence "
    f"AND {_DEGREE} = row.links AND NOT {_IS_EVIDENCE} DETACH DELETE n RETURN count(*) AS written"
)
RECORD_SEGMENTS = (
    "UNWIND $rows AS row MERGE (n:ArchiveSegment {id: row.id}) "
    "SET n.first_ns = row.first_ns, n.last_ns = row.last_ns, n.states = row.states RETURN count(*) AS written"
)
LIST_SEGMENTS = (
    "MATCH (n:ArchiveSegment) RETURN n.id AS id, n.first_ns AS first_ns, n.last_ns AS last_ns, "
    "n.states AS states ORDER BY first_ns, id"
)

TRANSITIONS = (
    "UNWIND $ids AS id MATCH (n:EnergyState {id: id})-[t:TRANSITIONS_TO]->(m:EnergyState) "
    "RETURN n.id AS source, m.id AS target, t.cause AS cause ORDER BY source, target"
)
INCIDENT_STATES = (
    "UNWIND $ids AS id MATCH (n:Incident {id: id})-[:INVOLVES]->(s:EnergyState) "
    "RETURN n.id AS id, s.id AS state ORDER BY id, state"
)
OBJECT_KEYS = {
    Kind.STATE: (
        "MATCH (n:EnergyState) WHERE n.evidence <> '' RETURN n.id AS id, n.evidence AS key ORDER BY id"
    ),
    Kind.PROOF: (
        "MATCH (n:Proof) WHERE n.certificate <> '' RETURN n.id AS id, n.certificate AS key ORDER BY id"
    ),
    Kind.MODEL: (
        "MATCH (n:Model) WHERE n.checkpoint <> '' RETURN n.id AS id, n.checkpoint AS key ORDER BY id"
    ),
}
# Who else refers to an object.
HOLDERS = (
    "MATCH (n:Model) WHERE n.checkpoint = $key RETURN count(n) AS total",
    "MATCH (n:EnergyState) WHERE n.evidence = $key RETURN count(n) AS total",
    "MATCH (n:Proof) WHERE n.certificate = $key OR n.evidence_sha256 = $key RETURN count(n) AS total",
)
# A shift says that its state was entered from another; the newest earlier one in the regime it left.
SHIFTS_WITHOUT_TRANSITION = (
    "MATCH (r:RegimeShift)-[:DETECTED_IN]->(s:EnergyState) WHERE NOT EXISTS { MATCH (s)<-[:TRANSITIONS_TO]-() } "
    "OPTIONAL MATCH (p:EnergyState) WHERE p.service = s.service AND p.regime = r.from_regime "
    "AND p.timestamp_ns <= s.timestamp_ns AND p.id <> s.id "
    "WITH r, s, p ORDER BY p.timestamp_ns DESC, p.id "
    "RETURN r.id AS shift, s.id AS state, collect(p.id)[0] AS source ORDER BY shift"
)


def _batch(kind: Kind) -> str:
    return f"MERGE (n:{kind} {{id: row.id}}) SET {cypher.assignments(kind, 'row.')}"


# What a block of an export runs on its rows. The last text returns how many rows or links it wrote.
IMPORTS: dict[str, tuple[str, ...]] = {
    "Service": (cypher.UPSERT_SERVICES,),
    "Entity": (cypher.UPSERT_ENTITIES,),
    "EnergyState": cypher.UPSERT_STATES,
    "Transition": (cypher.LINK_TRANSITIONS,),
    "RegimeShift": (
        f"UNWIND $rows AS row MATCH (s:EnergyState {{id: row.state}}) {_batch(Kind.SHIFT)} "
        "MERGE (n)-[:DETECTED_IN]->(s) RETURN count(*) AS written",
    ),
    "Incident": (
        f"UNWIND $rows AS row {_batch(Kind.INCIDENT)}",
        "UNWIND $rows AS row MATCH (n:Incident {id: row.id}) WHERE row.entity <> '' "
        "MERGE (e:Entity {id: row.entity}) ON CREATE SET e.name = '', e.category = '' "
        "MERGE (n)-[:AFFECTS]->(e)",
        "UNWIND $rows AS row MATCH (n:Incident {id: row.id}) UNWIND row.states AS state "
        "MATCH (s:EnergyState {id: state}) MERGE (n)-[:INVOLVES]->(s) RETURN count(*) AS written",
    ),
    "Action": (
        f"UNWIND $rows AS row MATCH (i:Incident {{id: row.incident}}) {_batch(Kind.ACTION)} "
        "MERGE (n)-[:ANSWERS]->(i) RETURN count(*) AS written",
    ),
    "Proof": (
        f"UNWIND $rows AS row {_batch(Kind.PROOF)}",
        "UNWIND $rows AS row MATCH (n:Proof {id: row.id}) UNWIND row.states AS state "
        "MATCH (s:EnergyState {id: state}) MERGE (n)-[:PROVES]->(s) RETURN count(*) AS written",
    ),
    "Model": (
        f"UNWIND $rows AS row {_batch(Kind.MODEL)}",
        "UNWIND $rows AS row MATCH (n:Model {id: row.id}) WHERE row.service <> '' "
        "MERGE (v:Service {id: row.service}) ON CREATE SET v.name = '', v.domain = '' "
        "MERGE (n)-[:FITTED_TO]->(v)",
    ),
    "Term": cypher.UPSERT_TERMS,
    "ArchiveSegment": (RECORD_SEGMENTS,),
}


def all_texts() -> tuple[str, ...]:
    """Every text of this module, without repetition."""
    texts = [
        ARCHIVABLE,
        DROP_ARCHIVED,
        RECORD_SEGMENTS,
        LIST_SEGMENTS,
        TRANSITIONS,
        INCIDENT_STATES,
        SHIFTS_WITHOUT_TRANSITION,
        *HOLDERS,
        *OBJECT_KEYS.values(),
        *(text for texts in IMPORTS.values() for text in texts),
    ]
    return tuple(dict.fromkeys(texts))
