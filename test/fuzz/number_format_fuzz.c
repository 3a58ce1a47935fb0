/* links: src/invoice/number_format.c */
/*
 * Formats of invoice numbers: a format that is accepted never writes past its
 * buffer and always ends in NUL; a number that does not fit is refused.
 */
#include "invoice/invoice.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *format = malloc(size + 1);
	char		out[INVOICE_NUMBER_MAX + 1];
	int64		seq = 1;

	if (format == NULL)
		return 0;
	memcpy(format, data, size);
	format[size] = '\0';
	for (size_t i = 0; i < size && i < 18; i++)
		seq = seq * 10 + data[i] % 10;
	if (InvoiceCheckNumberFormat(format) == NULL)
	{
		(void) InvoiceNumberIsYearly(format);
		if (InvoiceFormatNumber(format, 2025, 9, seq, out) &&
			memchr(out, '\0', sizeof(out)) == NULL)
			abort();
	}
	free(format);
	return 0;
}
