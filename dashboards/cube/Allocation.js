// Cost as allocated: bi_fact_allocation_month.
cube(`Allocation`, {
  sql: `SELECT * FROM bi_fact_allocation_month`,
  description: `cost as allocated, by billing period`,

  joins: {
    Tenant: { relationship: `belongsTo`, sql: `${CUBE}.tenant_key = ${Tenant}.tenant_key` },
  },

  measures: {
    allocatedCost: { sql: `allocated_cost`, type: `sum`, description: `on the cost basis of the period` },
  },

  dimensions: {
    id: { sql: `concat_ws('|', billing_period, tenant_key, allocation_kind, service, currency_key)`, type: `string`, primaryKey: true },
    billingPeriod: { sql: `billing_period::timestamp`, type: `time` },
    kind: { sql: `allocation_kind`, type: `string` },
    service: { sql: `service`, type: `string` },
    currency: { sql: `currency_key`, type: `string` },
  },
});
