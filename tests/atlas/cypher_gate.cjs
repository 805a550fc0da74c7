// Reads a JSON list of Cypher texts and writes, for each, the errors that Neo4j's own front end finds.
const { lintCypherQuery } = require("@neo4j-cypher/language-support");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = texts.map((text) => {
  // Every parameter counts as given; its value does not matter to the parser.
  const names = [...text.matchAll(/\$(\w+)/g)].map((match) => [match[1], null]);
  const found = lintCypherQuery(text, { parameters: Object.fromEntries(names) });
  const list = Array.isArray(found) ? found : found.diagnostics;
  return list.filter((one) => one.severity === 1).map((one) => one.message);
});
process.stdout.write(JSON.stringify(answers));
