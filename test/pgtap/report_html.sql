-- the month on one page, against figures worked out by hand
BEGIN;
SELECT plan(19);
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
