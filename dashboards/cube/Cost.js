// Cost by day, with what it is by: bi_fact_cost_day and its dimensions.
// Amounts of different currencies must not be added up: filter Cost.currency,
// or group by it.
cube(`Cost`, {
  sql: `SELECT * FROM bi_fact_cost_day`,
  description: `cost as billed, by day`,

  joins: {
    Service: { relationship: `belongsTo`, sql: `${CUBE}.service_key = ${Service}.service_key` },
    Tenant: { relationship: `belongsTo`, sql: `${CUBE}.tenant_key = ${Tenant}.tenant_key` },
    Account: { relationship: `belongsTo`, sql: `${CUBE}.account_key = ${Account}.account_key` },
  },

  measures: {
    effectiveCost: { sql: `effective_cost`, type: `sum`, description: `amortised cost` },
    billedCost: { sql: `billed_cost`, type: `sum`, description: `what providers bill` },
    lineItems: { sql: `line_items`, type: `sum`, description: `lines of bills` },
  },

  dimensions: {
    id: {
      sql: `concat_ws('|', billing_period, date_key, provider_key, account_key, service_key, region_key, tenant_key, charge_category_key, currency_key)`,
      type: `string`, primaryKey: true,
    },
    day: { sql: `date_key::timestamp`, type: `time` },
    billingPeriod: { sql: `billing_period::timestamp`, type: `time` },
    currency: { sql: `currency_key`, type: `string` },
    provider: { sql: `provider_key`, type: `string` },
    region: { sql: `region_key`, type: `string` },
    chargeCategory: { sql: `charge_category_key`, type: `string` },
  },
});
