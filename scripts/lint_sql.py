#!/usr/bin/python3
"""Security rules for the install script: lint_sql.py finops--1.0.sql

The rules are those of the linter pgspot (PS001 to PS018), all of them errors
here, and three of our own: no SQL-standard function bodies, every created
object is schema-qualified, and every function that is not listed in
test/public_functions.txt is revoked from PUBLIC in the script.

A statement is looked at with the search_path under which it will be resolved:
the script's own for definitions, the function's for a body.  Under a path of
pg_catalog, schemas that the script creates and a final pg_temp an unqualified
name cannot be captured; under any other it is an error.
"""
import os
import re
import sys

from pglast import ast, parse_plpgsql, parse_sql
from pglast.enums import A_Expr_Kind
from pglast.parser import ParseError
from pglast.visitors import Skip, Visitor

# Procedures that commit cannot have a SET clause (2D000); everything in them
# is qualified.  Functions are here when the planner must be able to inline
# them.
WITHOUT_SEARCH_PATH = {
    "finops.close_month",
    "finops.run_job",
    "finops.attempt_job",
    "finops.run_nightly",
    "finops.deliver_notifications",
}
PUBLIC_LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "..", "test", "public_functions.txt")
# stands for @extschema@ while the script is parsed
INSTALL_SCHEMA = "extschema__"

problems = []


def report(where, code, text):
    problems.append((where, code, text))


def names(nodes):
    return [n.sval for n in nodes]


def dotted(nodes):
    return ".".join(names(nodes))


class Path:
    """A search_path, and whether names resolved under it are safe."""

    def __init__(self, schemas, created):
        self.schemas = schemas
        safe = {"pg_catalog"} | created
        self.secure = (len(schemas) > 1 and schemas[-1] == "pg_temp" and schemas[0] == "pg_catalog"
                       and all(s in safe for s in schemas[:-1]))


class Names(Visitor):
    """Unqualified operators, functions and relations of a statement."""

    IMPLICIT = {
        A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_OP_ALL,
        A_Expr_Kind.AEXPR_DISTINCT, A_Expr_Kind.AEXPR_NOT_DISTINCT, A_Expr_Kind.AEXPR_NULLIF,
        A_Expr_Kind.AEXPR_IN, A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE,
        A_Expr_Kind.AEXPR_SIMILAR, A_Expr_Kind.AEXPR_BETWEEN, A_Expr_Kind.AEXPR_NOT_BETWEEN,
        A_Expr_Kind.AEXPR_BETWEEN_SYM, A_Expr_Kind.AEXPR_NOT_BETWEEN_SYM,
    }

    def __init__(self, where, path, known=()):
        self.where = where
        self.path = path
        self.known = set(known)

    def report(self, code, text):
        if not self.path.secure:
            report(self.where, code, text)

    def visit_CommonTableExpr(self, ancestors, node):
        self.known.add(node.ctename)

    def visit_A_Expr(self, ancestors, node):
        if node.kind in self.IMPLICIT and len(node.name) == 1:
            self.report("PS001", f"unqualified operator {node.name[0].sval}")

    def visit_SubLink(self, ancestors, node):
        if node.subLinkType is not None and node.testexpr is not None and \
                (node.operName is None or len(node.operName) == 1):
            self.report("PS001", "unqualified operator of IN, ANY or ALL (subquery)")

    def visit_SortBy(self, ancestors, node):
        if node.useOp is not None and len(node.useOp) == 1:
            self.report("PS001", "unqualified operator in ORDER BY")

    def visit_CaseExpr(self, ancestors, node):
        if node.arg is not None:
            self.report("PS009", "CASE x WHEN uses the operator = of the path")

    def visit_FuncCall(self, ancestors, node):
        if len(node.funcname) == 1:
            self.report("PS016", f"unqualified function {node.funcname[0].sval}")

    def visit_RangeVar(self, ancestors, node):
        if node.schemaname is None and node.relname not in self.known:
            self.report("PS017", f"unqualified relation {node.relname}")

    def visit_TypeName(self, ancestors, node):
        if node.names and len(node.names) == 1 and node.names[0].sval not in BUILTIN_TYPES:
            self.report("PS017", f"unqualified type {node.names[0].sval}")


# types that the grammar leaves unqualified and that pg_catalog holds
BUILTIN_TYPES = {
    "text", "jsonb", "json", "date", "uuid", "bytea", "name", "oid", "regclass", "regproc",
    "regprocedure", "regnamespace", "regtype", "regrole", "timestamptz", "float8", "float4", "int2",
    "int4", "int8", "bool", "record", "trigger", "void", "anyelement", "anyarray", "xml", "inet",
    "internal", "event_trigger", "cstring", "xid8", "pg_lsn", "tsvector", "char", "daterange",
    "tsrange", "tstzrange", "numrange", "int4range", "int8range", "refcursor", "xid", "tid",
}


class Script(Visitor):
    def __init__(self, source):
        self.source = source
        self.created = set()
        self.path = Path([], set())
        self.functions = {}
        self.revoked = set()
        self.where = "script"
        self.text = ""

    # -- the path and the schemas

    def visit_VariableSetStmt(self, ancestors, node):
        if node.name == "search_path" and node.args:
            values = [a.val.sval for a in node.args]
            if any("," in v for v in values):
                report(self.where, "PS018", "SET search_path with a quoted list")
            self.path = Path(values, self.created)

    def visit_CreateSchemaStmt(self, ancestors, node):
        if node.if_not_exists:
            report(self.where, "PS010", f"CREATE SCHEMA IF NOT EXISTS {node.schemaname}")
        else:
            self.created.add(node.schemaname)

    # -- objects that would be taken over

    def visit_CreateStmt(self, ancestors, node):
        self.qualified(node.relation)
        if node.if_not_exists:
            report(self.where, "PS012", f"CREATE TABLE IF NOT EXISTS {node.relation.relname}")

    def visit_CreateTableAsStmt(self, ancestors, node):
        self.qualified(node.into.rel)
        if node.if_not_exists:
            report(self.where, "PS012", f"CREATE TABLE AS IF NOT EXISTS {node.into.rel.relname}")

    def visit_CreateSeqStmt(self, ancestors, node):
        self.qualified(node.sequence)
        if node.if_not_exists:
            report(self.where, "PS011", f"CREATE SEQUENCE IF NOT EXISTS {node.sequence.relname}")

    def visit_AlterSeqStmt(self, ancestors, node):
        if node.sequence.schemaname is None:
            report(self.where, "PS008", f"ALTER SEQUENCE {node.sequence.relname} unqualified")

    def visit_IndexStmt(self, ancestors, node):
        if node.if_not_exists:
            report(self.where, "PS014", f"CREATE INDEX IF NOT EXISTS {node.idxname}")

    def visit_CreateForeignServerStmt(self, ancestors, node):
        if node.if_not_exists:
            report(self.where, "PS013", f"CREATE SERVER IF NOT EXISTS {node.servername}")

    def visit_CreateTransformStmt(self, ancestors, node):
        if node.replace:
            report(self.where, "PS006", "CREATE OR REPLACE TRANSFORM")

    def visit_ViewStmt(self, ancestors, node):
        self.qualified(node.view)
        if node.replace:
            report(self.where, "PS015", f"CREATE OR REPLACE VIEW {node.view.relname}")

    def visit_DefineStmt(self, ancestors, node):
        if node.replace or node.if_not_exists:
            report(self.where, "PS007", f"CREATE OR REPLACE {dotted(node.defnames)}")
        if len(node.defnames) == 1:
            report(self.where, "PS017", f"{dotted(node.defnames)} is created without a schema")
        if node.kind.name == "OBJECT_AGGREGATE":
            self.functions[dotted(node.defnames)] = self.where
            for element in node.definition or ():
                if element.defname == "stype" and names(element.arg.names)[-1] == "internal":
                    report(self.where, "FIN03", f"aggregate {dotted(node.defnames)} has an internal state")

    def qualified(self, relation):
        if relation.schemaname is None and relation.relpersistence != "t":
            report(self.where, "PS017", f"{relation.relname} is created without a schema")

    # -- functions

    def visit_CreateFunctionStmt(self, ancestors, node):
        self.check_function(node)
        # the function's own SET clause is not the script's
        return Skip()

    def check_function(self, node):
        name = dotted(node.funcname)
        where = f"{self.where} ({name})"
        self.functions[name] = self.where
        if len(node.funcname) == 1:
            report(where, "PS017", "is created without a schema")
        if node.replace:
            report(where, "PS002", "CREATE OR REPLACE FUNCTION")
        if node.sql_body is not None:
            report(where, "FIN01", "SQL-standard body; write a quoted one")
            return
        options = {}
        for option in node.options:
            if option.defname == "set":
                options.setdefault("set", []).append(option.arg)
            else:
                options[option.defname] = option.arg
        language = options["language"].sval
        path = None
        for setting in options.get("set", ()):
            if setting.name == "search_path":
                values = [a.val.sval for a in setting.args or ()]
                if any("," in v for v in values):
                    report(where, "PS018", "SET search_path with a quoted list")
                path = Path(values, self.created)
        definer = "security" in options and options["security"].boolval
        if definer and path is None:
            report(where, "PS003", "SECURITY DEFINER without a search_path")
        elif path is not None and not path.secure:
            report(where, "PS004", f"search_path {', '.join(path.schemas)} is not pg_catalog, ..., pg_temp")
        if language not in ("sql", "plpgsql"):
            return
        if path is None and name not in WITHOUT_SEARCH_PATH:
            report(where, "PS005", "no search_path; pin it, or list the function in scripts/lint_sql.py")
        body_path = path or Path([], set())
        body = options["as"][0].sval
        if language == "sql":
            check_sql(where, body, body_path)
        else:
            check_plpgsql(where, self.text, body_path)

    def visit_DoStmt(self, ancestors, node):
        body = next(a.arg.sval for a in node.args if a.defname == "as")
        check_plpgsql(self.where, "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS " + quote(body), self.path)

    def visit_GrantStmt(self, ancestors, node):
        if node.is_grant or node.objtype.name not in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
            return
        if any(g.roletype.name == "ROLESPEC_PUBLIC" for g in node.grantees):
            for function in node.objects:
                self.revoked.add(dotted(function.objname))


def check_sql(where, body, path):
    try:
        statements = parse_sql(body)
    except ParseError as error:
        report(where, "FIN02", f"body does not parse: {error}")
        return
    for statement in statements:
        Names(where, path)(statement)


def plpgsql_queries(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "PLpgSQL_expr":
                yield value["query"]
            elif key == "PLpgSQL_stmt_commit":
                continue
            else:
                yield from plpgsql_queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from plpgsql_queries(value)


ASSIGNMENT = re.compile(r"^\s*[\w.\"\[\]]+\s*:?=(?!>)\s*", re.S)


def check_plpgsql(where, text, path):
    try:
        tree = parse_plpgsql(text)
    except ParseError as error:
        report(where, "FIN02", f"body does not parse: {error}")
        return
    for query in plpgsql_queries(tree):
        for candidate in (query, "SELECT " + query, "SELECT " + ASSIGNMENT.sub("", query)):
            try:
                statements = parse_sql(candidate)
                break
            except ParseError:
                continue
        else:
            report(where, "FIN02", f"cannot parse: {query[:60]}")
            continue
        for statement in statements:
            Names(where, path)(statement)


def quote(body):
    tag = "$q$"
    while tag in body:
        tag = tag[:-1] + "q$"
    return tag + body + tag


def statements_of(source):
    """(line, text, parsed) of each statement of the script"""
    for raw in parse_sql(source):
        start = raw.stmt_location or 0
        length = raw.stmt_len or len(source.encode()) - start
        text = source.encode()[start:start + length].decode()
        leading = len(text) - len(re.sub(r"\A(\s|--[^\n]*\n)+", "", text))
        line = source.encode()[:start].decode().count("\n") + text[:leading].count("\n") + 1
        yield line, text, raw.stmt


def public_functions():
    with open(PUBLIC_LIST, encoding="utf-8") as file:
        return {line.split("#")[0].strip() for line in file} - {""}


def main(path):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    source = source.replace("@extschema@", INSTALL_SCHEMA)
    source = re.sub(r"^\\", "--", source, flags=re.M)
    script = Script(source)
    for line, text, statement in statements_of(source):
        script.where = f"{path}:{line}"
        script.text = text
        script(statement)
        if not isinstance(statement, (ast.CreateFunctionStmt, ast.DoStmt)):
            Names(script.where, script.path)(statement)
    allowed = {name.replace("@extschema@", INSTALL_SCHEMA) for name in public_functions()}
    for name, where in script.functions.items():
        if name not in allowed and name not in script.revoked:
            report(where, "FIN04", f"{name} has no REVOKE ... FROM PUBLIC and is not listed in test/public_functions.txt")
    for where, code, text in problems:
        print(f"{where}: {code} {text}".replace(INSTALL_SCHEMA, "@extschema@"))
    print(f"{path}: {len(script.functions)} functions, {len(problems)} errors")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
