/* links: src/bill/manifest.c src/bill/value.c src/bill/json.c */
/*
 * Any bytes as a manifest, its files resolved beside several addresses:
 * whatever the names are, they stay below the manifest's directory or
 * export, in its bucket, on its host.
 */
#include "bill/manifest.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_place(const char *address, const char *within, const char *name)
{
	OutBuf		out = {0};

	if (ManifestResolve(&out, address, name) == RESOLVE_OK)
	{
		if (!out.ok || out.len == 0 || out.data[out.len - 1] != '\0')
			abort();
		for (const char *p = out.data; p < out.data + out.len; p += strlen(p) + 1)
			if (strncmp(p, within, strlen(within)) != 0 || strstr(p, "/../") != NULL ||
				strstr(p, "/./") != NULL)
				abort();
	}
	OutFree(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BillManifest m;
	BillPeriod	period;

	ManifestParse(&m, (const char *) data, size);
	if (m.status == MANIFEST_OK && m.nfiles == 0)
		abort();
	for (int i = 0; i < m.nfiles; i++)
	{
		const char *name = m.files[i].name;

		(void) BillFileName(name);
		(void) ManifestName(name);
		if (ManifestPathPeriod(name, &period) && (period.month < 1 || period.month > 12))
			abort();
		check_place("s3://bills/p/x-Manifest.json", "s3://bills/", name);
		check_place("https://host/p/daily/m/x-Manifest.json", "https://host/", name);
		check_place("/data/p/x-Manifest.json", "/data/p/", name);
		check_place("/data/x/metadata/BILLING_PERIOD=2024-01/x-Manifest.json", "/data/x/", name);
	}
	ManifestFree(&m);
	return 0;
}
