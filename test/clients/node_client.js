// What pg for Node reads and calls, as lines of name=value.
// The connection comes from the PG* variables of the environment.  The driver
// gives numeric and bigint as text, so that no digit is lost.
'use strict';
const { Client, types } = require('pg');

const say = (name, value) => console.log(`${name}=${value}`);
const series = [10, 12, 11, 13, 12, 14, 13, 15];
types.setTypeParser(types.builtins.DATE, (text) => text);
types.setTypeParser(types.builtins.TIMESTAMP, (text) => text.replace(' ', 'T'));

async function main() {
  const client = new Client();
  await client.connect();
  const query = async (sql, ...args) => (await client.query({ text: sql, values: args, rowMode: 'array' })).rows;

  say('total', (await query('SELECT sum(billed_cost) FROM bi_fact_cost_day WHERE currency_key = $1', 'USD'))[0][0]);
  say('small', (await query('SELECT min(abs(billed_cost)) FROM fact_cost_raw'))[0][0]);
  for (const [tenant, usage, start, ingested, tags, row] of await query(
    'SELECT tenant_id, line_item_usage_amount, line_item_usage_start_date, ingested_at, resource_tags, row_id FROM fact_cost_raw'
    + " WHERE line_item_product_code = 'AmazonEC2' ORDER BY billed_cost")) {
    if (!(ingested instanceof Date) || typeof row !== 'string') throw new Error('types');
    say('tenant', tenant === null ? '<null>' : tenant);
    say('usage', usage === null ? '<null>' : usage);
    say('start', start);
    say('team', (tags || {}).team === undefined ? '<none>' : tags.team);
  }
  const [day, weekend, number] = (await query('SELECT date_key, is_weekend, day_of_week FROM bi_dim_date WHERE date_key = $1', '2026-05-03'))[0];
  if (typeof weekend !== 'boolean') throw new Error('boolean');
  say('day', `${day} ${weekend} ${number}`);
  say('parts', (await query('SELECT finops.apportion($1, $2)::text[]', '100.00', ['1', '1', '1']))[0][0].join(','));
  const steps = await query('SELECT * FROM finops.forecast($1, 3)', series);
  if (!steps.every((s) => typeof s[1] === 'number' && Array.isArray(s[2]))) throw new Error('forecast');
  say('steps', steps.map((s) => `${s[0]}:${s[2].length}`).join(','));
  say('model', typeof (await query('SELECT finops.fit_model($1)', series))[0][0] === 'object' ? 'True' : 'False');
  const bridge = await query("SELECT line, trim_scale(amount) FROM finops.cost_bridge($1) WHERE currency = 'USD' AND line IN ('billed cost', 'residual') ORDER BY position", '2026-05-01');
  say('residual', bridge[bridge.length - 1][1]);
  say('page', (await query('SELECT finops.report_html($1)', '2026-05-01'))[0][0].split('>')[0]);
  for (const [name, sql, arg] of [['error', 'SELECT finops.report_html($1)', '2026-05-02'], ['denied', 'SELECT finops.allocate($1)', '2026-05-01']]) {
    try {
      await query(sql, arg);
    } catch (error) {
      say(name, error.code);
    }
  }
  say('after', (await query('SELECT 1'))[0][0]);
  say('many', (await query('SELECT d FROM generate_series(1, 1000) AS g, LATERAL (SELECT date_key FROM bi_fact_cost_day ORDER BY 1 LIMIT 1) AS f(d)')).length);
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
