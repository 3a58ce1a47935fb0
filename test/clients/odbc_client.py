#!/usr/bin/python3
"""What ODBC reads and calls, as lines of name=value; argument: the driver.

The connection comes from the PG* variables of the environment.  ODBC has no
arrays and no jsonb: they arrive as text."""
import datetime
import decimal
import json
import os
import sys

import pyodbc


def say(name, value):
    print(f"{name}={value}")


def number(value):
    assert isinstance(value, decimal.Decimal), type(value)
    return format(value, "f")


connection = pyodbc.connect(
    f"DRIVER={sys.argv[1]};SERVER={os.environ['PGHOST']};PORT={os.environ['PGPORT']};DATABASE={os.environ['PGDATABASE']};"
    f"UID={os.environ['PGUSER']};PWD={os.environ['PGPASSWORD']};MaxLongVarcharSize=4000000;BoolsAsChar=0")
cursor = connection.cursor()


def query(sql, *args):
    return cursor.execute(sql, *args).fetchall()


say("total", number(query("SELECT sum(billed_cost) FROM bi_fact_cost_day WHERE currency_key = ?", "USD")[0][0]))
say("small", number(query("SELECT min(abs(billed_cost)) FROM fact_cost_raw")[0][0]))
for tenant, usage, start, ingested, tags, row_id in query(
        "SELECT tenant_id, line_item_usage_amount, line_item_usage_start_date, ingested_at, resource_tags, row_id FROM fact_cost_raw"
        " WHERE line_item_product_code = 'AmazonEC2' ORDER BY billed_cost"):
    assert isinstance(start, datetime.datetime) and isinstance(ingested, datetime.datetime)
    assert isinstance(row_id, int)
    say("tenant", tenant if tenant is not None else "<null>")
    say("usage", number(usage) if usage is not None else "<null>")
    say("start", start.isoformat())
    say("team", json.loads(tags or "{}").get("team", "<none>"))
day = query("SELECT date_key, is_weekend, day_of_week FROM bi_dim_date WHERE date_key = ?", datetime.date(2026, 5, 3))[0]
assert isinstance(day[0], datetime.date) and isinstance(day[1], bool)
say("day", f"{day[0]} {str(day[1]).lower()} {day[2]}")
say("parts", query("SELECT finops.apportion(?::numeric, ?::numeric[])", "100.00", "{1,1,1}")[0][0].strip("{}"))
steps = query("SELECT step, mean, array_length(lower, 1) FROM finops.forecast(?::float8[], 3)", "{10,12,11,13,12,14,13,15}")
assert all(isinstance(s[1], float) for s in steps)
say("steps", ",".join(f"{s[0]}:{s[2]}" for s in steps))
say("model", isinstance(json.loads(query("SELECT finops.fit_model(?::float8[])", "{10,12,11,13,12,14,13,15}")[0][0]), dict))
bridge = query("SELECT line, trim_scale(amount) FROM finops.cost_bridge(?) WHERE currency = 'USD' AND line IN ('billed cost', 'residual') ORDER BY position",
               datetime.date(2026, 5, 1))
say("residual", number(bridge[-1][1]))
say("page", query("SELECT finops.report_html(?)", datetime.date(2026, 5, 1))[0][0].split(">")[0])
connection.commit()
for name, sql, args in (("error", "SELECT finops.report_html(?)", datetime.date(2026, 5, 2)),
                        ("denied", "SELECT finops.allocate(?)", datetime.date(2026, 5, 1))):
    try:
        query(sql, args)
    except pyodbc.Error as error:
        say(name, error.args[0])
        connection.rollback()
say("after", query("SELECT 1")[0][0])
say("many", len(query("SELECT d FROM generate_series(1, 1000) AS g, LATERAL (SELECT date_key FROM bi_fact_cost_day ORDER BY 1 LIMIT 1) AS f(d)")))
