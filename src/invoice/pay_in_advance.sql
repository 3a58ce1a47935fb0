-- topic pay_in_advance: plans that are paid in advance

INSERT INTO finops.invoice_phrase (language, phrase, text, shipped) VALUES
	('en', 'advance_reversal', 'Billed in advance: {line}', true);
