"""Every query text of the Atlas, in the part of Cypher that Neo4j and the embedded engine share.

Labels, relation types and property names come from the constants below and from nowhere else; every value
travels as a parameter. :func:`all_texts` lists the lot, so that a gate can parse them with Neo4j's own front
end. Avoided on purpose, because one of the engines lacks or mistreats it: map-valued properties, composite
indexes, ``SHORTEST``, ``percentileCont``, ``COLLECT {}``, writes inside ``CALL {}``, and ``properties(n)``
(the embedded engine adds two of its own).
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, combinations

from industriverse.atlas.model import VECTOR_LENGTH, Kind

__all__ = [
    "FILTERS",
    "LINK_TRANSITIONS",
    "MAX_PATH_STEPS",
    "MIGRATIONS",
    "NEO4J_ONLY",
    "PLACES",
    "PROPERTIES",
    "READ_SCHEMA",
    "RECORD_ACTION",
    "RECORD_INCIDENT",
    "RECORD_MODEL",
    "RECORD_PROOF",
    "RECORD_SHIFT",
    "RELATIONS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "SIMILAR",
    "SIMILAR_BY_INDEX",
    "TIMED",
    "TRANSITION_PATH",
    "UPSERT_ENTITIES",
    "UPSERT_SERVICES",
    "UPSERT_STATES",
    "UPSERT_TERMS",
    "VECTOR_INDEX",
    "WRITE_SCHEMA",
    "all_texts",
    "assignments",
    "count_nodes",
    "count_relations",
    "fetch",
    "find",
    "neighbours",
    "projection",
    "total",
]

SCHEMA_VERSION = 2
# Neo4j takes no parameter for the bound of a path, so it is part of the text.
MAX_PATH_STEPS = 2_000

PROPERTIES: dict[Kind, tuple[str, ...]] = {
    Kind.STATE: (
        "id",
        "timestamp_ns",
        "energy",
        "entropy",
        "domain",
        "regime",
        "service",
        "entities",
        "reference_digest",
        "evidence",
        "vector",
    ),
    Kind.SHIFT: ("id", "timestamp_ns", "service", "state", "from_regime", "to_regime", "score", "p_value"),
    Kind.INCIDENT: ("id", "timestamp_ns", "closed_ns", "service", "entity", "tickets"),
    Kind.ACTION: ("id", "timestamp_ns", "incident", "verb", "target", "outcome"),
    Kind.PROOF: (
        "id",
        "timestamp_ns",
        "service",
        "evidence_sha256",
        "certificate",
        "checks_passed",
        "checks_run",
        "states",
    ),
    Kind.SERVICE: ("id", "name", "domain"),
    Kind.ENTITY: ("id", "name", "category"),
    Kind.MODEL: ("id", "timestamp_ns", "name", "family", "service", "checkpoint"),
    Kind.TERM: ("id", "label", "definition", "broader"),
}
TIMED = frozenset(kind for kind in Kind if "timestamp_ns" in PROPERTIES[kind])
RELATIONS = (
    "CONSUMES_ENERGY",
    "TRANSITIONS_TO",
    "CONCERNS",
    "DETECTED_IN",
    "INVOLVES",
    "AFFECTS",
    "ANSWERS",
    "PROVES",
    "FITTED_TO",
    "BROADER",
)

SCHEMA = (
    *(
        f"CREATE CONSTRAINT {kind.name.lower()}_id IF NOT EXISTS FOR (n:{kind}) REQUIRE n.id IS UNIQUE"
        for kind in Kind
    ),
    *(
        f"CREATE INDEX {kind.name.lower()}_time IF NOT EXISTS FOR (n:{kind}) ON (n.timestamp_ns)"
        for kind in Kind
        if kind in TIMED
    ),
    "CREATE CONSTRAINT segment_id IF NOT EXISTS FOR (n:ArchiveSegment) REQUIRE n.id IS UNIQUE",
    *(
        f"CREATE INDEX state_{name} IF NOT EXISTS FOR (n:EnergyState) ON (n.{name})"
        for name in ("domain", "regime", "service")
    ),
)
READ_SCHEMA = "MATCH (n:AtlasSchema {id: $id}) RETURN n.version AS version"
WRITE_SCHEMA = "MERGE (n:AtlasSchema {id: $id}) SET n.version = $version"
# For each version, how many nodes are not there yet, and what brings some of them there.
MIGRATIONS: dict[int, tuple[tuple[str, str], ...]] = {
    # From 2 on states have a place in the space in which they are compared; "unknown" is an empty one.
    2: (
        (
            "MATCH (n:EnergyState) WHERE n.vector IS NULL RETURN count(n) AS total",
            "MATCH (n:EnergyState) WHERE n.vector IS NULL WITH n LIMIT $limit SET n.vector = []",
        ),
    ),
}


def assignments(kind: Kind, source: str) -> str:
    """The part of a text that sets every property but the id."""
    names = [name for name in PROPERTIES[kind] if name != "id"]
    assigned = [f"n.{name} = {source}{name}" for name in names]
    # People write Cypher with datetimes; the exact order is that of the nanoseconds beside it. The text is
    # turned into a datetime by the engine: one of them drops the zone of a datetime that arrives as a value.
    if kind in TIMED:
        assigned.append(f"n.timestamp = datetime({source}timestamp)")
    return ", ".join(assigned)


# A MERGE of a relation walks the relations of its busier end: at 40,000 states of one service it took ten
# times as long as the rest of the batch. Asking from the state's side keeps a batch at constant cost.
UPSERT_STATES = (
    f"UNWIND $rows AS row MERGE (n:EnergyState {{id: row.id}}) SET {assignments(Kind.STATE, 'row.')}",
    "UNWIND $rows AS row MATCH (n:EnergyState {id: row.id})<-[r:CONSUMES_ENERGY]-(v:Service) "
    "WHERE v.id <> row.service DELETE r",
    "UNWIND $rows AS row MATCH (n:EnergyState {id: row.id})-[r:CONCERNS]->(e:Entity) "
    "WHERE NOT e.id IN row.entities DELETE r",
    "UNWIND $rows AS row MATCH (n:EnergyState {id: row.id}) "
    "WHERE NOT EXISTS { MATCH (n)<-[:CONSUMES_ENERGY]-(:Service) } "
    "MERGE (v:Service {id: row.service}) ON CREATE SET v.name = '', v.domain = row.domain "
    "CREATE (v)-[:CONSUMES_ENERGY]->(n)",
    "UNWIND $rows AS row MATCH (n:EnergyState {id: row.id}) "
    "WITH n, row, [(n)-[:CONCERNS]->(k:Entity) | k.id] AS known "
    "UNWIND row.entities AS entity WITH n, known, entity WHERE NOT entity IN known "
    "MERGE (e:Entity {id: entity}) ON CREATE SET e.name = '', e.category = '' "
    "CREATE (n)-[:CONCERNS]->(e)",
)
UPSERT_SERVICES = (
    f"UNWIND $rows AS row MERGE (n:Service {{id: row.id}}) SET {assignments(Kind.SERVICE, 'row.')}"
)
UPSERT_ENTITIES = (
    f"UNWIND $rows AS row MERGE (n:Entity {{id: row.id}}) SET {assignments(Kind.ENTITY, 'row.')}"
)
UPSERT_TERMS = (
    f"UNWIND $rows AS row MERGE (n:Term {{id: row.id}}) SET {assignments(Kind.TERM, 'row.')}",
    "UNWIND $rows AS row MATCH (n:Term {id: row.id})-[r:BROADER]->(b:Term) "
    "WHERE NOT b.id IN row.broader DELETE r",
    "UNWIND $rows AS row MATCH (n:Term {id: row.id}) UNWIND row.broader AS broader "
    "MERGE (b:Term {id: broader}) ON CREATE SET b.label = '', b.definition = '', b.broader = [] "
    "MERGE (n)-[:BROADER]->(b)",
)
LINK_TRANSITIONS = (
    "UNWIND $rows AS row MATCH (a:EnergyState {id: row.source}) MATCH (b:EnergyState {id: row.target}) "
    "MERGE (a)-[t:TRANSITIONS_TO]->(b) SET t.cause = row.cause RETURN count(*) AS written"
)
RECORD_SHIFT = (
    "MATCH (n:RegimeShift {id: $id})-[r:DETECTED_IN]->(s:EnergyState) WHERE s.id <> $state DELETE r",
    f"MATCH (s:EnergyState {{id: $state}}) MERGE (n:RegimeShift {{id: $id}}) "
    f"SET {assignments(Kind.SHIFT, '$')} MERGE (n)-[:DETECTED_IN]->(s) RETURN count(*) AS written",
)
RECORD_ACTION = (
    "MATCH (n:Action {id: $id})-[r:ANSWERS]->(i:Incident) WHERE i.id <> $incident DELETE r",
    f"MATCH (i:Incident {{id: $incident}}) MERGE (n:Action {{id: $id}}) "
    f"SET {assignments(Kind.ACTION, '$')} MERGE (n)-[:ANSWERS]->(i) RETURN count(*) AS written",
)
RECORD_INCIDENT = (
    f"MERGE (n:Incident {{id: $id}}) SET {assignments(Kind.INCIDENT, '$')}",
    "MATCH (n:Incident {id: $id})-[r:AFFECTS]->(e:Entity) WHERE e.id <> $entity DELETE r",
    "MATCH (n:Incident {id: $id}) UNWIND $affected AS entity MERGE (e:Entity {id: entity}) "
    "ON CREATE SET e.name = '', e.category = '' MERGE (n)-[:AFFECTS]->(e)",
    "MATCH (n:Incident {id: $id}) UNWIND $states AS state MATCH (s:EnergyState {id: state}) "
    "MERGE (n)-[:INVOLVES]->(s) RETURN count(*) AS written",
)
RECORD_PROOF = (
    f"MERGE (n:Proof {{id: $id}}) SET {assignments(Kind.PROOF, '$')}",
    "MATCH (n:Proof {id: $id})-[r:PROVES]->(s:EnergyState) WHERE NOT s.id IN $states DELETE r",
    "MATCH (n:Proof {id: $id}) UNWIND $states AS state MATCH (s:EnergyState {id: state}) "
    "MERGE (n)-[:PROVES]->(s) RETURN count(*) AS written",
)

RECORD_MODEL = (
    "MATCH (n:Model {id: $id})-[r:FITTED_TO]->(v:Service) WHERE v.id <> $service DELETE r",
    f"MERGE (n:Model {{id: $id}}) SET {assignments(Kind.MODEL, '$')}",
    "MATCH (n:Model {id: $id}) UNWIND $services AS service MERGE (v:Service {id: service}) "
    "ON CREATE SET v.name = '', v.domain = '' MERGE (n)-[:FITTED_TO]->(v)",
)

TRANSITION_PATH = (
    "MATCH (a:EnergyState {id: $source}), (b:EnergyState {id: $target}) "
    f"MATCH p = shortestPath((a)-[:TRANSITIONS_TO*..{MAX_PATH_STEPS}]->(b)) "
    "RETURN [n IN nodes(p) | n.id] AS states"
)

# Squared Euclidean distance, in the one form that every engine computes.
_DISTANCE = (
    f"reduce(d = 0.0, i IN range(0, {VECTOR_LENGTH - 1}) | "
    "d + (n.vector[i] - $vector[i]) * (n.vector[i] - $vector[i]))"
)
SIMILAR = (
    f"MATCH (n:EnergyState) WHERE size(n.vector) = {VECTOR_LENGTH} AND n.id <> $id "
    f"WITH n.id AS id, {_DISTANCE} AS squared ORDER BY squared, id LIMIT $limit "
    "RETURN id, squared ORDER BY squared, id"
)
PLACES = (
    f"MATCH (n:EnergyState) WHERE size(n.vector) = {VECTOR_LENGTH} "
    "RETURN n.id AS id, n.vector AS vector LIMIT $limit"
)
# Neo4j from 5.13 on; the other engines refuse the text and are asked for the exact answer.
VECTOR_INDEX = (
    "CREATE VECTOR INDEX state_vector IF NOT EXISTS FOR (n:EnergyState) ON (n.vector) OPTIONS {indexConfig: "
    f"{{`vector.dimensions`: {VECTOR_LENGTH}, `vector.similarity_function`: 'euclidean'}}}}"
)
SIMILAR_BY_INDEX = (
    "CALL db.index.vector.queryNodes('state_vector', $limit, $vector) YIELD node, score "
    "WHERE node.id <> $id RETURN node.id AS id, 1.0 / score - 1.0 AS squared ORDER BY squared, id"
)


NEO4J_ONLY = (VECTOR_INDEX, SIMILAR_BY_INDEX)
"""What only Neo4j is asked, and only if it answers."""


def _text_filter(*names: str, listed: str = "") -> str:
    """Every word of ``$words`` (lower case) occurs in one of some properties, or in one item of a list."""
    places = [f"toLower(n.{name}) CONTAINS word" for name in names]
    if listed:
        places.append(f"any(item IN n.{listed} WHERE toLower(item) CONTAINS word)")
    return f"all(word IN $words WHERE {' OR '.join(places)})"


_SERVICE_FILTER = {"service": "n.service = $service"}
_TIME_FILTERS = {"start_ns": "n.timestamp_ns >= $start_ns", "stop_ns": "n.timestamp_ns < $stop_ns"}
# The filters that each kind understands. "entity" of a state is a relation, so it has no clause here.
FILTERS: dict[Kind, dict[str, str]] = {
    Kind.STATE: {
        "domain": "n.domain = $domain",
        "regime": "n.regime = $regime",
        "entity": "",
        "words": _text_filter("id", "domain", "regime", "service", listed="entities"),
        **_SERVICE_FILTER,
        **_TIME_FILTERS,
    },
    Kind.SHIFT: {
        "regime": "n.to_regime = $regime",
        "words": _text_filter("id", "service", "state", "from_regime", "to_regime"),
        **_SERVICE_FILTER,
        **_TIME_FILTERS,
    },
    Kind.INCIDENT: {
        "entity": "n.entity = $entity",
        "words": _text_filter("id", "service", "entity", listed="tickets"),
        **_SERVICE_FILTER,
        **_TIME_FILTERS,
    },
    Kind.ACTION: {
        "entity": "n.target = $entity",
        "words": _text_filter("id", "incident", "verb", "target", "outcome"),
        **_TIME_FILTERS,
    },
    Kind.PROOF: {
        "words": _text_filter("id", "service", "evidence_sha256", listed="states"),
        **_SERVICE_FILTER,
        **_TIME_FILTERS,
    },
    Kind.SERVICE: {"domain": "n.domain = $domain", "words": _text_filter("id", "name", "domain")},
    Kind.ENTITY: {"words": _text_filter("id", "name", "category")},
    Kind.MODEL: {
        "words": _text_filter("id", "name", "family", "service"),
        **_SERVICE_FILTER,
        **_TIME_FILTERS,
    },
    Kind.TERM: {"words": _text_filter("id", "label", "definition")},
}


def projection(kind: Kind, node: str = "n") -> str:
    """The part of a text that returns every property under its name."""
    return ", ".join(f"{node}.{name} AS {name}" for name in PROPERTIES[kind])


def _match(kind: Kind, filters: frozenset[str], extra: str = "") -> str:
    pattern = f"(n:{kind})"
    if kind is Kind.STATE and "entity" in filters:
        pattern += "-[:CONCERNS]->(:Entity {id: $entity})"
    clauses = [FILTERS[kind][name] for name in sorted(filters)]
    conditions = " AND ".join(clause for clause in [*clauses, extra] if clause)
    return f"MATCH {pattern}" + (f" WHERE {conditions}" if conditions else "")


@cache
def find(kind: Kind, filters: frozenset[str], *, newest_first: bool, after: bool) -> str:
    """One page of nodes in a total order: time, then id (id alone for kinds without time).

    Args:
        kind: Kind of node.
        filters: Names of the filters in force, a subset of ``FILTERS[kind]``.
        newest_first: Direction.
        after: Whether the page starts behind ``$after_ns``, ``$after_id``.
    """
    sign, way = ("<", " DESC") if newest_first else (">", "")
    if kind in TIMED:
        keys, order = "n.timestamp_ns AS timestamp_ns, n.id AS id", f"timestamp_ns{way}, id{way}"
        behind = (
            f"n.timestamp_ns {sign}= $after_ns AND (n.timestamp_ns {sign} $after_ns OR n.id {sign} $after_id)"
        )
    else:
        keys, order, behind = "n.id AS id", f"id{way}", f"n.id {sign} $after_id"
    # Sorting the keys alone and fetching the page afterwards took a seventh of the time at 30,000 states.
    return (
        f"{_match(kind, filters, behind if after else '')} WITH {keys} ORDER BY {order} LIMIT $limit "
        f"MATCH (m:{kind} {{id: id}}) RETURN {projection(kind, 'm')} ORDER BY {order}"
    )


@cache
def total(kind: Kind, filters: frozenset[str]) -> str:
    """How many nodes a search matches in all."""
    return f"{_match(kind, filters)} RETURN count(n) AS total"


@cache
def fetch(kind: Kind) -> str:
    """One node by id."""
    return f"MATCH (n:{kind} {{id: $id}}) RETURN {projection(kind)}"


@cache
def neighbours(kind: Kind) -> str:
    """Every relation at a set of nodes of one kind."""
    return (
        f"UNWIND $ids AS id MATCH (n:{kind} {{id: id}})-[r]-(m) "
        "RETURN DISTINCT type(r) AS relation, labels(startNode(r))[0] AS source_kind, "
        "startNode(r).id AS source, labels(endNode(r))[0] AS target_kind, endNode(r).id AS target "
        "ORDER BY relation, source, target LIMIT $limit"
    )


def count_nodes(kind: Kind) -> str:
    """How many nodes of a kind there are."""
    return f"MATCH (n:{kind}) RETURN count(n) AS total"


def count_relations(relation: str) -> str:
    """How many relations of a type there are."""
    return f"MATCH ()-[r:{relation}]->() RETURN count(r) AS total"


def _subsets(names: Iterable[str]) -> Iterator[frozenset[str]]:
    listed = list(names)
    sizes = range(len(listed) + 1)
    return map(frozenset, chain.from_iterable(combinations(listed, size) for size in sizes))


def all_texts() -> tuple[str, ...]:
    """Every text that this module can produce, without repetition."""
    texts = [
        *SCHEMA,
        READ_SCHEMA,
        WRITE_SCHEMA,
        *(text for steps in MIGRATIONS.values() for pair in steps for text in pair),
        *UPSERT_STATES,
        UPSERT_SERVICES,
        UPSERT_ENTITIES,
        LINK_TRANSITIONS,
        *RECORD_SHIFT,
        *RECORD_ACTION,
        *RECORD_INCIDENT,
        *RECORD_PROOF,
        *RECORD_MODEL,
        *UPSERT_TERMS,
        TRANSITION_PATH,
        PLACES,
        SIMILAR,
        *NEO4J_ONLY,
        *(count_relations(relation) for relation in RELATIONS),
    ]
    for kind in Kind:
        texts += [fetch(kind), neighbours(kind), count_nodes(kind)]
        for filters in _subsets(FILTERS[kind]):
            texts.append(total(kind, filters))
            texts += [
                find(kind, filters, newest_first=newest, after=after)
                for newest in (True, False)
                for after in (True, False)
            ]
    return tuple(dict.fromkeys(texts))
