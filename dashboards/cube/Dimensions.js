// What cost is by.
cube(`Service`, {
  sql: `SELECT * FROM bi_dim_service`,
  dimensions: {
    key: { sql: `service_key`, type: `string`, primaryKey: true },
    name: { sql: `service_name`, type: `string` },
    category: { sql: `service_category`, type: `string` },
    provider: { sql: `provider_key`, type: `string` },
  },
});

cube(`Tenant`, {
  sql: `SELECT * FROM bi_dim_tenant`,
  dimensions: {
    key: { sql: `tenant_key`, type: `string`, primaryKey: true },
    name: { sql: `tenant_name`, type: `string` },
    status: { sql: `status`, type: `string` },
  },
});

cube(`Account`, {
  sql: `SELECT * FROM bi_dim_account`,
  dimensions: {
    key: { sql: `account_key`, type: `string`, primaryKey: true },
    name: { sql: `account_name`, type: `string` },
    provider: { sql: `provider_key`, type: `string` },
  },
});
