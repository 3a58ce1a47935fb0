/*-------------------------------------------------------------------------
 *
 * finops.c
 *	  Module load: the magic block, the settings and the rooms' set-up.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include <ctype.h>

#include "core/aws.h"
#include "core/network.h"

FINOPS_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

int			finops_cost_basis = FINOPS_BASIS_EFFECTIVE;
bool		finops_keep_unknown_columns = true;
int			finops_late_usage_months = 3;
int			finops_max_rejects = 0;
int			finops_packed_entries = 1000000;
int			finops_progress_interval = 0;
char	   *finops_recon_amount_floor;
char	   *finops_reporting_currency;
char	   *finops_s3_endpoint;
bool		finops_track_access;
int			finops_track_entries = 1000;
bool		finops_track_logins;
int			finops_track_min_duration = 1000;
bool		finops_track_statements;
char	   *finops_allowed_hosts;
char	   *finops_allowed_networks;
char	   *finops_athena_price_per_tb;
int			finops_athena_scan_limit;
char	   *finops_aws_credentials_file;
char	   *finops_aws_endpoint;
char	   *finops_aws_profile;
char	   *finops_aws_server;
char	   *finops_ca_file;
int			finops_cache_max_rows;
int			finops_cache_ttl;
int			finops_connect_timeout;
char	   *finops_cost_explorer_price;
int			finops_cost_explorer_rate;
int			finops_max_download_size;
int			finops_max_retries;
char	   *finops_s3_region;
int			finops_s3_url_style;
int			finops_stall_timeout;

int			finops_alert_timeout;
char	   *finops_channel_secrets_file;
int			finops_delivery_retry_delay;
int			finops_delivery_timeout;
char	   *finops_notification_hosts;
bool		finops_smtp_require_tls = true;
char	   *finops_smtp_sender;
char	   *finops_smtp_server;

static const struct config_enum_entry s3_url_style_options[] = {
	{"auto", S3_STYLE_AUTO, false},
	{"path", S3_STYLE_PATH, false},
	{"virtual", S3_STYLE_VIRTUAL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry cost_basis_options[] = {
	{"effective", FINOPS_BASIS_EFFECTIVE, false},
	{"billed", FINOPS_BASIS_BILLED, false},
	{NULL, 0, false}
};

/* A non-negative decimal such as 1.00; settings never pass through float. */
static bool
check_amount(char **newval, void **extra pg_attribute_unused(),
			 GucSource source pg_attribute_unused())
{
	const char *p = *newval;
	int			digits = 0;

	for (; isdigit((unsigned char) *p); p++)
		digits++;
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++)
			digits++;
	if (*p != '\0' || digits == 0 || digits > 30)
	{
		GUC_check_errdetail("An amount is digits with an optional fraction, such as 1.00.");
		return false;
	}
	return true;
}

/* Three capital letters; whether the currency is known is checked on use. */
static bool
check_currency(char **newval, void **extra pg_attribute_unused(),
			   GucSource source pg_attribute_unused())
{
	const char *p = *newval;

	if (strlen(p) == 3 && strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3)
		return true;
	GUC_check_errdetail("A currency is its ISO 4217 code, such as USD.");
	return false;
}

/*
 * Settings in alphabetical order.  Anything that names files or hosts is
 * PGC_SUSET.
 */
static void
define_settings(void)
{
	DefineCustomIntVariable("finops.alert_timeout",
							"Longest time that the query of an alert policy may take.",
							NULL,
							&finops_alert_timeout, 60, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.allowed_hosts",
							   "Hosts that bills and drivers may be read from.",
							   "host, *.domain, host:port, http://host for unencrypted connections; separated by commas.",
							   &finops_allowed_hosts, "*.amazonaws.com, *.amazonaws.com.cn",
							   PGC_SUSET, 0, NetCheckHosts, NULL, NULL);
	DefineCustomStringVariable("finops.allowed_networks",
							   "Networks with private or reserved addresses that may be connected to.",
							   "In CIDR notation, separated by commas; empty: only public addresses.",
							   &finops_allowed_networks, "",
							   PGC_SUSET, 0, NetCheckNetworks, NULL, NULL);
	DefineCustomStringVariable("finops.athena_price_per_tb",
							   "What Athena charges for a scanned terabyte, in USD.",
							   "A terabyte is 2^40 bytes.",
							   &finops_athena_price_per_tb, "5.00",
							   PGC_SUSET, 0, check_amount, NULL, NULL);
	DefineCustomIntVariable("finops.athena_scan_limit",
							"Most that a query in Athena may scan.",
							"The workgroup must have a limit per query of at most this size; 0: no limit is asked for.",
							&finops_athena_scan_limit, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.aws_credentials_file",
							   "File with AWS keys, in the format of the AWS command line.",
							   "Only the operating system user of the server may be able to read it.",
							   &finops_aws_credentials_file, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.aws_endpoint",
							   "Where AWS services other than S3 are called.",
							   "https://host or https://host:port; empty: AWS.",
							   &finops_aws_endpoint, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NetCheckEndpoint, NULL, NULL);
	DefineCustomStringVariable("finops.aws_profile",
							   "Section of the credentials file.",
							   NULL,
							   &finops_aws_profile, "default",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.aws_server",
							   "Foreign server whose user mapping holds the AWS keys.",
							   "A server of foreign-data wrapper finops_aws; empty: the server's own keys.",
							   &finops_aws_server, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.ca_file",
							   "File with the certificates of the authorities to trust.",
							   "PEM; empty: those of the system.",
							   &finops_ca_file, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.cache_max_rows",
							"Most answers of Cost Explorer that cost_cache keeps.",
							NULL,
							&finops_cache_max_rows, 1000, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.cache_ttl",
							"How long cost_cache keeps an answer of Cost Explorer.",
							"0: not at all.",
							&finops_cache_ttl, 6 * 60 * 60, 0, 366 * 24 * 60 * 60,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.channel_secrets_file",
							   "File with the secrets of notification channels.",
							   "Sections with url, key, token, user, password; only the operating system user of the server may be able to read it.",
							   &finops_channel_secrets_file, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.connect_timeout",
							"Longest time to make a connection.",
							NULL,
							&finops_connect_timeout, 10, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomEnumVariable("finops.cost_basis",
							 "Cost that is allocated: effective (amortised) or billed.",
							 "A period keeps the basis of its first allocation.",
							 &finops_cost_basis, FINOPS_BASIS_EFFECTIVE,
							 cost_basis_options, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("finops.cost_explorer_price",
							   "What a request to Cost Explorer costs, in USD.",
							   NULL,
							   &finops_cost_explorer_price, "0.01",
							   PGC_SUSET, 0, check_amount, NULL, NULL);
	DefineCustomIntVariable("finops.cost_explorer_rate",
							"Requests to Cost Explorer a second, from all sessions of the database.",
							NULL,
							&finops_cost_explorer_rate, 5, 1, 1000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.delivery_retry_delay",
							"Pause before a message is sent for the second time.",
							"Each further pause is twice as long, up to an hour, with jitter.",
							&finops_delivery_retry_delay, 10, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.delivery_timeout",
							"Longest time of an attempt to send a message.",
							NULL,
							&finops_delivery_timeout, 15, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_advanced_filters",
							 "Whether requests to Cost Explorer may have a filter.",
							 NULL,
							 &finops_enable[FINOPS_ADVANCED_FILTERS], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_anomaly_detection",
							 "Whether anomalies are looked for.",
							 NULL,
							 &finops_enable[FINOPS_ANOMALY_DETECTION], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_athena",
							 "Whether Athena may be called.",
							 NULL,
							 &finops_enable[FINOPS_ATHENA], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_cost_explorer",
							 "Whether Cost Explorer may be called.",
							 NULL,
							 &finops_enable[FINOPS_COST_EXPLORER], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_custom_date_ranges",
							 "Whether requests to Cost Explorer may begin and end within a month.",
							 NULL,
							 &finops_enable[FINOPS_CUSTOM_DATE_RANGES], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_data_export",
							 "Whether data is exported as CSV.",
							 NULL,
							 &finops_enable[FINOPS_DATA_EXPORT], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.enable_forecasting",
							 "Whether forecasts are made.",
							 NULL,
							 &finops_enable[FINOPS_FORECASTING], true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.four_eyes",
							 "Write-offs and credit notes wait for the approval of a second person.",
							 "Allocation rules have the policy approval = four_eyes; reopening a locked period always needs two.",
							 &finops_four_eyes, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.keep_unknown_columns",
							 "Whether facts keep the columns of a bill that its format does not know.",
							 "In fact_cost_raw.other_columns; their names are logged either way.",
							 &finops_keep_unknown_columns, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.late_usage_months",
							"How many billed months late usage is looked for in.",
							"The difference stands on the next document; 0: none.",
							&finops_late_usage_months, 3, 0, 120,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.max_download_size",
							"Largest object that is read from the network.",
							NULL,
							&finops_max_download_size, 102400, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.max_rejects",
							"Lines of a bill that a load may reject before it fails.",
							"Rejected lines are in finops.bill_reject; -1: any number.",
							&finops_max_rejects, 0, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.max_retries",
							"How often a request is repeated when that can help.",
							NULL,
							&finops_max_retries, 5, 0, 100,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.notification_hosts",
							   "Hosts that messages may be sent to.",
							   "host, *.domain, host:port, http://host for unencrypted connections; separated by commas. SNS and mail servers need not be listed.",
							   &finops_notification_hosts, "hooks.slack.com",
							   PGC_SUSET, 0, NetCheckHosts, NULL, NULL);
	DefineCustomIntVariable("finops.packed_entries",
							"Entries of pools that feed pools from which an allocation packs them.",
							"One row for each origin in finops.allocation_packed; -1: never, 0: always.",
							&finops_packed_entries, 1000000, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.progress_interval",
							"Seconds between messages about the progress of a load.",
							"0 gives no messages.",
							&finops_progress_interval, 0, 0, 86400,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.recon_amount_floor",
							   "Smallest variance amount that puts a service out of tolerance.",
							   "In the reporting currency; the total is judged by percent alone.",
							   &finops_recon_amount_floor, "1.00",
							   PGC_SUSET, 0, check_amount, NULL, NULL);
	DefineCustomStringVariable("finops.reporting_currency",
							   "Currency of the *_usd columns.",
							   "An ISO 4217 code.",
							   &finops_reporting_currency, "USD",
							   PGC_SUSET, 0, check_currency, NULL, NULL);
	DefineCustomStringVariable("finops.s3_endpoint",
							   "Where s3:// addresses are looked up.",
							   "https://host, https://host:port, or a file:/// directory that holds one folder per bucket; empty: AWS.",
							   &finops_s3_endpoint, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NetCheckEndpoint, NULL, NULL);
	DefineCustomStringVariable("finops.s3_region",
							   "Region of buckets and of AWS services.",
							   "Empty: AWS_REGION of the server's environment, or us-east-1.",
							   &finops_s3_region, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("finops.s3_url_style",
							 "Whether the bucket stands in the path or in the host name.",
							 "auto: in the path on an endpoint of one's own, else in the host name.",
							 &finops_s3_url_style, S3_STYLE_AUTO, s3_url_style_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.smtp_require_tls",
							 "Whether mail is sent over encrypted connections only.",
							 "smtp:// with STARTTLS, or smtps://.",
							 &finops_smtp_require_tls, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.smtp_sender",
							   "Address that mail is sent from.",
							   NULL,
							   &finops_smtp_sender, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.smtp_server",
							   "Server that takes mail.",
							   "smtp://host:port or smtps://host:port.",
							   &finops_smtp_server, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NetCheckMailServer, NULL, NULL);
	DefineCustomIntVariable("finops.stall_timeout",
							"Longest time without a byte from the other side.",
							NULL,
							&finops_stall_timeout, 30, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.track_access",
							 "Whether to count who reads and writes the relations of finops.",
							 "Works where finops is in shared_preload_libraries.",
							 &finops_track_access, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	/* what sizes shared memory can only be defined before there is any */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("finops.track_entries",
								"How many statements and users shared memory holds, and a quarter of the relations that they access.",
								NULL,
								&finops_track_entries, 1000, 100, 100000,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.track_logins",
							 "Whether to count logins and failed logins.",
							 "Works where finops is in shared_preload_libraries.",
							 &finops_track_logins, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.track_min_duration",
							"Duration from which finops.track_statements keeps a statement.",
							"0: all of them.",
							&finops_track_min_duration, 1000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.track_statements",
							 "Whether to keep the duration, rows and blocks of slow statements, without what they were given.",
							 "Works where finops is in shared_preload_libraries.",
							 &finops_track_statements, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

void
_PG_init(void)
{
	define_settings();
	CompatInit();
	MonitorInit();
	MarkGUCPrefixReserved("finops");
}
