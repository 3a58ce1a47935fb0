-- Documents as pages: what stands on them, and that nothing a tenant is called changes the page.
BEGIN;
SELECT plan(25);
\set documents 40
\o /dev/null
\ir ../data/random_documents.sql
\o
CREATE TEMP TABLE page AS SELECT h.*, finops.invoice_html(h.invoice_id) AS html FROM invoice_header h WHERE invoice_id LIKE 'INV-UB-%';
SELECT is_empty($$SELECT invoice_id FROM page WHERE html !~ '^<!DOCTYPE html>' OR html !~ '</html>\n$' OR strpos(html, invoice_number) = 0$$, 'a page each, with its number');
SELECT is_empty($$SELECT invoice_id FROM page WHERE html ~ '<script|<link|<img|https?://|url\(|@import'$$, 'nothing is loaded from elsewhere');
SELECT is_empty($$SELECT invoice_id FROM page WHERE NOT xml_is_well_formed_document(replace(regexp_replace(html, '<meta[^>]*>|<!DOCTYPE html>', '', 'g'), '<br>', ' '))$$, 'every tag is closed in its order');
SELECT matches(html, 'Müller &amp; Söhne &lt;Cloud&gt; GmbH', 'the issuer, escaped') FROM page WHERE invoice_id = 'INV-UB-1';
SELECT matches(html, '<bdi>Ltd &quot;O&#39;Hare&quot; &amp; &lt;Sons&gt; ' || chr(8238) || 'x</bdi>', 'a hostile name, escaped and isolated') FROM page WHERE invoice_id = 'INV-UB-17';
SELECT is_empty($$SELECT invoice_id FROM page WHERE strpos(html, '<b>') > 0 OR strpos(html, chr(1)) > 0$$, 'no tag and no control character of a description');
SELECT is_empty($$SELECT p.invoice_id FROM page p WHERE (SELECT count(*) FROM regexp_matches(p.html, '<tr><td>\d+</td>', 'g')) <> (SELECT count(*) FROM invoice_detail d WHERE d.invoice_id = p.invoice_id)$$, 'a row for each line');
SELECT is_empty($$SELECT invoice_id FROM page WHERE strpos(html, '>' || trim(to_char(total, CASE currency WHEN 'JPY' THEN 'FM999,999,999,990' ELSE 'FM999,999,999,990.00' END)) || ' ' || currency || '<') = 0$$, 'the total with all digits of its currency');
SELECT matches(html, 'DE89 3704 0044 0532 0130 00', 'the account in groups of four') FROM page WHERE invoice_id = 'INV-UB-1';
SELECT matches(html, 'PO-4<', 'the purchase order') FROM page WHERE invoice_id = 'INV-UB-4';
SELECT matches(html, '31.March.2024', 'the due date') FROM page WHERE invoice_id = 'INV-UB-4';
SELECT is_empty($$SELECT p.invoice_id FROM page p JOIN finops.invoice_tax t USING (invoice_id) WHERE t.tax_category = 'AE' AND p.html !~ 'Reverse charge: VAT is payable by the recipient'$$, 'reverse charge says so');
SELECT isnt_empty($$SELECT FROM finops.invoice_tax WHERE tax_category = 'AE'$$, 'there is one');

INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, revision, language) VALUES ('INV-UB-DRAFT', 'UB-1', '2024-02-01', '2024-02-29', 9, 'de-CH');
SELECT matches(finops.invoice_html('INV-UB-DRAFT'), 'Entwurf, nicht ausgestellt', 'a draft in German, without lines');
SELECT matches(finops.invoice_html('INV-UB-DRAFT'), '<html lang="de">', 'whose page says so');
SELECT matches(finops.invoice_html('INV-UB-DRAFT'), 'Leistungszeitraum</dt><dd><bdi>Februar.2024', 'with its month');
UPDATE invoice_header SET language = 'ar' WHERE invoice_id = 'INV-UB-DRAFT';
SELECT matches(finops.invoice_html('INV-UB-DRAFT'), '<html lang="en">', 'English for a language without texts');
UPDATE invoice_header SET status = 'void' WHERE invoice_id = 'INV-UB-DRAFT';
SELECT matches(finops.invoice_html('INV-UB-DRAFT'), '>Void<', 'a void document says so');
CREATE TEMP TABLE note AS SELECT invoice_id FROM finops.credit_invoice('INV-UB-4', 'wrong <seats>', '[{"line_no": 1}]');
SELECT matches(finops.invoice_html(invoice_id), '>Credit note</h1>', 'a credit note') FROM note;
SELECT matches(finops.invoice_html(invoice_id), 'Credits invoice</dt><dd><bdi>UB000004', 'names its invoice') FROM note;
SELECT matches(finops.invoice_html(invoice_id), 'Reason: wrong &lt;seats&gt;', 'and its reason, escaped') FROM note;
SELECT doesnt_match(finops.invoice_html(invoice_id), '−', 'its amounts are positive') FROM note;
SELECT throws_ok($$SELECT finops.invoice_html(NULL)$$, '22004');
SELECT throws_ok($$SELECT finops.invoice_html('INV-0')$$, 'P0002', 'there is no invoice "INV-0"');
SELECT is((SELECT count(*) FROM finops.focus_invoice_detail d WHERE "InvoiceId" = 'UB000004' AND "PurchaseOrderNumber" IS DISTINCT FROM 'PO-4'), 0::bigint, 'FOCUS Invoice Detail has the purchase order');
SELECT * FROM finish();
ROLLBACK;
