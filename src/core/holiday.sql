-- room core: days on which nobody works

CREATE TABLE finops.holiday (
	day date NOT NULL,
	name text NOT NULL,
	country text NOT NULL DEFAULT '',
	CONSTRAINT holiday_pkey PRIMARY KEY (day, country)
);
COMMENT ON TABLE finops.holiday IS 'days from Monday to Friday on which nobody works; forecasts of cost learn what a name does to a day';
COMMENT ON COLUMN finops.holiday.name IS 'the same in every year';
COMMENT ON COLUMN finops.holiday.country IS 'ISO 3166 code; empty where it does not matter';
REVOKE ALL ON finops.holiday FROM PUBLIC;
GRANT SELECT ON finops.holiday TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.holiday', '');
