-- topic late: usage that comes after its month was billed

INSERT INTO finops.invoice_phrase (language, phrase, text, shipped) VALUES
	('en', 'late_delta', 'Late usage: {line}', true),
	('en', 'late_reversal', 'Reversal: {line}', true),
	('en', 'late_new', 'Billed anew with late usage: {line}', true);
