-- the month on one page, against figures worked out by hand
BEGIN;
SELECT plan(30);
SET LOCAL TimeZone = 'UTC';

INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items) VALUES
	('2026-05-01', '2026-05-03', 's', 'aws', 'Compute', 'acme', 'Usage', 'USD', 1000, 1000, 1),
	('2026-06-01', '2026-06-02', 's', 'aws', 'Compute', 'acme', 'Usage', 'USD', 900, 900, 1),
	('2026-06-01', '2026-06-03', 's', 'aws', '<script>alert("x")</script>', NULL, 'Usage', 'USD', 300, 300, 1),
	('2026-06-01', '2026-06-03', 's', 'aws', repeat('long ', 60), E'\u05E9\u05DC\u05D5\u05DD', 'Usage', 'USD', 50, 50, 1),
	('2026-06-01', '2026-06-03', 's', 'aws', 'Tax', NULL, 'Tax', 'USD', 0.5, 0.5, 1),
	('2026-06-01', '2026-06-03', 's', 'aws', 'Compute', 'acme', 'Usage', 'EUR', 7.25, 7.25, 1);
INSERT INTO forecast.cost_outlook (dimension, key, currency, day, mean, lower_95, upper_95)
SELECT 'total', '', 'USD', d, 100, 80, 130 FROM generate_series(date '2026-07-01', date '2026-07-10', interval '1 day') d;
INSERT INTO budget_master (budget_id, target_usd, period_start, actual_usd, burn_rate) VALUES ('it''s <b>all</b>', 2000, '2026-06-01', 1250.5, 1.256);
-- 1000 for 500 orders, 900 for 300; nothing to divide by; a name that tries to be more; a scope without cost
INSERT INTO forecast.driver_scope (driver_code, services) VALUES ('orders', '{Compute}'), ('idle', '{Compute}'), ('nowhere', '{Nothing}');
INSERT INTO forecast.unit_kpi (kpi_date, driver_code, quantity) VALUES ('2026-05-10', 'orders', 500), ('2026-06-10', 'orders', 300), ('2026-06-10', 'idle', 0),
	('2026-06-10', '<i>"all"</i>', 4), ('2026-06-10', 'nowhere', 4);
-- 80 of 100 in June; 120.5 + 30.25 USD open, 9 EUR
INSERT INTO finops.recommendation (recommendation_id, optimization_type, resource_id, status, potential_savings_usd, currency, action_required, created_at, decided_at, verified_at, verified_savings) VALUES
	('rh-1', 'terminate', '<script>gone()</script>', 'ACTIVE', 120.5, 'USD', 'x', '2026-06-30 00:00+00', NULL, NULL, NULL),
	('rh-2', 'savings_plan', NULL, 'APPROVED', 30.25, 'USD', 'Buy <b>it</b>', '2026-06-10 00:00+00', '2026-06-13 00:00+00', NULL, NULL),
	('rh-3', 'rightsizing', 'i-eur', 'IMPLEMENTED', 9, 'EUR', 'x', '2026-01-01 00:00+00', '2026-01-02 00:00+00', NULL, NULL),
	('rh-4', 'rightsizing', 'i-verified', 'VERIFIED', 100, 'USD', 'x', '2026-01-01 00:00+00', '2026-01-02 00:00+00', '2026-06-20 00:00+00', 80),
	('rh-5', 'rightsizing', 'i-dismissed', 'DISMISSED', 100, 'USD', 'x', '2026-01-01 00:00+00', '2026-01-02 00:00+00', NULL, NULL);
INSERT INTO finops.kpi_target (kpi, title, unit, crawl, walk) VALUES ('recommendation_yield', 'Kept <promises>', 'percent', 50, 75);

SELECT finops.report_html('2026-06-01') AS page \gset
CREATE TEMP TABLE page AS SELECT :'page'::text AS html;
CREATE FUNCTION pg_temp.has(piece text) RETURNS boolean LANGUAGE sql AS $$ SELECT position(piece IN html) > 0 FROM page $$;

SELECT ok(html LIKE '<!DOCTYPE html>%' AND html LIKE E'%</main></body></html>\n', 'a page from its beginning to its end') FROM page;
SELECT ok(pg_temp.has('<h1>Cloud cost, June 2026</h1>'), 'the month is its title');
-- 900 + 300 + 50 + 0.5; against 1000: + 250.5, 25.05 %
SELECT ok(pg_temp.has('<strong><bdi>1,250.50</bdi></strong>'), 'the cost');
SELECT ok(pg_temp.has('<strong class="warn"><bdi>+25.1 %</bdi></strong><span><bdi>250.50 USD</bdi></span>'), 'and its change');
-- 950 of 1250
SELECT ok(pg_temp.has('<strong class="warn"><bdi>76.0 %</bdi></strong>'), 'tag coverage by cost');
SELECT ok(pg_temp.has('not in the figures: EUR 7.25'), 'another currency is named, not added');
SELECT ok(pg_temp.has('<td><bdi>Compute</bdi></td><td class="n"><bdi>900.00</bdi></td><td class="n"><bdi>1,000.00</bdi></td><td class="n"><bdi>-10.0 %</bdi></td>'), 'a service against last month');
SELECT ok(pg_temp.has('>forecast, 95 %</text>') AND pg_temp.has('class="fc-band"'), 'the forecast has its interval');
-- 1250.5 of 2000 is 62.5 %
SELECT ok(pg_temp.has('<td><bdi>it&#39;s &lt;b&gt;all&lt;/b&gt;</bdi></td><td class="n"><bdi>2,000.00</bdi></td><td class="n"><bdi>1,250.50</bdi></td><td class="n"><bdi>62.5 %</bdi></td><td class="n"><bdi>1.26</bdi></td>'), 'a budget and its burn');
SELECT ok(pg_temp.has('<td><bdi>Kept &lt;promises&gt;</bdi></td><td class="n"><bdi>80 %</bdi></td><td><bdi>walk</bdi></td><td class="w"><bdi>50 / 75 / -</bdi></td>'), 'a key figure, its level and its targets');
SELECT ok(pg_temp.has('<bdi>Cost with an owner, of all cost</bdi></td><td class="n"></td><td><bdi>nothing is allocated</bdi></td><td class="w"><bdi>50 / 80 / 90</bdi></td>'), 'one that cannot be told says why');
-- one day and three
SELECT ok(pg_temp.has('<td class="n"><bdi>2 days</bdi></td><td></td><td class="w"></td>'), 'one without targets');
SELECT ok(NOT pg_temp.has('Usage that commitments cover') AND NOT pg_temp.has('Cost of one unit of a driver'), 'figures that read lines are not on the page');
SELECT ok(pg_temp.has('<td><bdi>orders</bdi></td><td class="n"><bdi>300</bdi></td><td class="n"><bdi>3.00</bdi></td><td class="n"><bdi>2.00</bdi></td><td class="w"><bdi>+50.0 %</bdi></td>'), 'the cost of a unit and its change');
SELECT ok(pg_temp.has('<td><bdi>idle</bdi></td><td class="n"><bdi>0</bdi></td><td class="n"></td><td class="n"></td><td class="w"><bdi>no quantity</bdi></td>'), 'no quantity, no cost of a unit');
-- 1250.5 / 4
SELECT ok(pg_temp.has('<td><bdi>&lt;i&gt;&quot;all&quot;&lt;/i&gt;</bdi></td><td class="n"><bdi>4</bdi></td><td class="n"><bdi>312.625</bdi></td><td class="n"></td><td class="w"><bdi>nothing to compare</bdi></td>')
	AND pg_temp.has('<td><bdi>nowhere</bdi></td><td class="n"><bdi>4</bdi></td><td class="n"></td><td class="n"></td><td class="w"><bdi>no cost in its scope</bdi></td>'), 'all cost, and none');
SELECT ok(pg_temp.has('<td><bdi>Total</bdi></td><td class="w"></td><td class="n"><bdi>150.75 USD</bdi></td><td class="w"><bdi>2 open</bdi></td></tr>' || E'\n'
	'<tr><td><bdi>Total</bdi></td><td class="w"></td><td class="n"><bdi>9.00 EUR</bdi></td><td class="w"><bdi>1 open</bdi></td>'), 'what open recommendations would save');
SELECT ok(pg_temp.has('<td><bdi>&lt;script&gt;gone()&lt;/script&gt;</bdi></td><td class="w"><bdi>terminate</bdi></td><td class="n"><bdi>120.50 USD</bdi></td><td class="w"><bdi>proposed</bdi></td></tr>' || E'\n'
	'<tr><td><bdi>Buy &lt;b&gt;it&lt;/b&gt;</bdi></td><td class="w"><bdi>savings_plan</bdi></td><td class="n"><bdi>30.25 USD</bdi></td><td class="w"><bdi>approved</bdi></td>'), 'the largest first, a commitment by what is to be done');
SELECT ok(NOT pg_temp.has('i-verified') AND NOT pg_temp.has('i-dismissed'), 'what is over is not open');
SELECT is((SELECT count(*)::int FROM regexp_matches(html, 'recommendations today', 'g')), 1, 'once') FROM page;
SELECT ok(NOT pg_temp.has('<script') AND pg_temp.has('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;'), 'a hostile name is text');
SELECT ok(NOT html ~ '(src|href)=|url\(|@import', 'nothing is loaded') FROM page;
SELECT is((SELECT count(*)::int FROM regexp_matches(html, '<svg ', 'g')), 5, 'five charts') FROM page;
SELECT is((xpath('name(/*)', regexp_replace(replace(substr(html, 16), '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">', ''), E'^\\s+', '')::xml))[1]::text, 'html', 'every element is closed') FROM page;
SELECT is(html, finops.report_html('2026-06-01'), 'again') FROM page;

-- a month without anything
SELECT matches(finops.report_html('2011-01-01'), 'No data.*There is nothing', 'an empty month is a page too');
SELECT throws_ok($$SELECT finops.report_html(NULL)$$, '22004', NULL, 'no month');
SELECT throws_ok($$SELECT finops.report_html('2026-06-02')$$, '22023', NULL, 'a day that is not the first');
SELECT throws_ok($$SELECT finops.report_html('infinity')$$, '22023', NULL, 'no date');
CREATE ROLE report_html_nobody;
SET LOCAL ROLE report_html_nobody;
SELECT throws_ok($$SELECT finops.report_html('2026-06-01')$$, '42501', NULL, 'not for everybody');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
