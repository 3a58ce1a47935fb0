#!/usr/bin/python3
"""What psycopg2 reads and calls, as lines of name=value.

The connection comes from the PG* variables of the environment."""
import datetime
import decimal

import psycopg2


def say(name, value):
    print(f"{name}={value}")


def number(value):
    assert isinstance(value, decimal.Decimal), type(value)
    return format(value, "f")


connection = psycopg2.connect("")
cursor = connection.cursor()


def query(sql, *args):
    cursor.execute(sql, args)
    return cursor.fetchall()


say("total", number(query("SELECT sum(billed_cost) FROM bi_fact_cost_day WHERE currency_key = %s", "USD")[0][0]))
say("small", number(query("SELECT min(abs(billed_cost)) FROM fact_cost_raw")[0][0]))
for tenant, usage, start, ingested, tags, row_id in query(
        "SELECT tenant_id, line_item_usage_amount, line_item_usage_start_date, ingested_at, resource_tags, row_id FROM fact_cost_raw"
        " WHERE line_item_product_code = 'AmazonEC2' ORDER BY billed_cost"):
    assert isinstance(start, datetime.datetime) and start.tzinfo is None
    assert isinstance(ingested, datetime.datetime) and ingested.tzinfo is not None
    assert isinstance(row_id, int)
    say("tenant", tenant if tenant is not None else "<null>")
    say("usage", number(usage) if usage is not None else "<null>")
    say("start", start.isoformat())
    say("team", (tags or {}).get("team", "<none>"))
day = query("SELECT date_key, is_weekend, day_of_week FROM bi_dim_date WHERE date_key = %s", datetime.date(2026, 5, 3))[0]
assert isinstance(day[0], datetime.date) and isinstance(day[1], bool)
say("day", f"{day[0]} {str(day[1]).lower()} {day[2]}")
parts = query("SELECT finops.apportion(%s, %s)", decimal.Decimal("100.00"), [decimal.Decimal(1)] * 3)[0][0]
say("parts", ",".join(number(p) for p in parts))
steps = query("SELECT * FROM finops.forecast(%s::float8[], 3)", [10.0, 12.0, 11.0, 13.0, 12.0, 14.0, 13.0, 15.0])
assert all(isinstance(s[1], float) and isinstance(s[2], list) for s in steps)
say("steps", ",".join(f"{s[0]}:{len(s[2])}" for s in steps))
say("model", isinstance(query("SELECT finops.fit_model(%s::float8[])", [10.0, 12.0, 11.0, 13.0, 12.0, 14.0, 13.0, 15.0])[0][0], dict))
bridge = query("SELECT line, amount FROM finops.cost_bridge(%s) WHERE currency = 'USD' AND line IN ('billed cost', 'residual') ORDER BY position",
               datetime.date(2026, 5, 1))
say("residual", number(bridge[-1][1].normalize()))
say("page", query("SELECT finops.report_html(%s)", datetime.date(2026, 5, 1))[0][0].split(">")[0])
connection.commit()
for name, sql, args in (("error", "SELECT finops.report_html(%s)", (datetime.date(2026, 5, 2),)),
                        ("denied", "SELECT finops.allocate(%s)", (datetime.date(2026, 5, 1),))):
    try:
        query(sql, *args)
    except psycopg2.Error as error:
        say(name, error.pgcode)
        connection.rollback()
say("after", query("SELECT 1")[0][0])
many = connection.cursor("many")
many.itersize = 100
many.execute("SELECT d FROM generate_series(1, 1000) AS g, LATERAL (SELECT date_key FROM bi_fact_cost_day ORDER BY 1 LIMIT 1) AS f(d)")
say("many", sum(1 for _ in many))
