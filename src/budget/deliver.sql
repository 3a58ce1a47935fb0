-- room budget: sending what stands in the outbox

CREATE PROCEDURE finops.route_notifications()
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_route_notifications';
COMMENT ON PROCEDURE finops.route_notifications() IS 'part of finops.deliver_notifications: gives pending messages of the outbox to the channels that take them';

CREATE FUNCTION finops.claim_message(due timestamptz)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_claim_message';
COMMENT ON FUNCTION finops.claim_message(timestamptz) IS 'part of finops.deliver_notifications: takes the next message that may be sent, or was due then, and records the attempt; NULL: none';

CREATE FUNCTION finops.send_message(message_id bigint)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_send_message';
COMMENT ON FUNCTION finops.send_message(bigint) IS 'part of finops.deliver_notifications: sends a message that this session claimed and records what came of it: sent, retry or dead';

CREATE PROCEDURE finops.deliver_notifications()
LANGUAGE plpgsql
AS $$
DECLARE
	began timestamptz := pg_catalog.clock_timestamp();
	message bigint;
BEGIN
	CALL finops.route_notifications();
	COMMIT;
	LOOP
		message := finops.claim_message(began);
		COMMIT;
		IF message IS NULL THEN
			RETURN;
		END IF;
		PERFORM finops.send_message(message);
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE finops.deliver_notifications() IS 'sends the messages of finops.outbox over the channels of finops.channel: claims, commits, sends, records; what cannot be sent now waits for a later call';

CREATE FUNCTION finops.redeliver(message_id bigint DEFAULT NULL, channel_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_redeliver';
COMMENT ON FUNCTION finops.redeliver(bigint, text) IS 'lets messages that were given up be sent again, under the same key: one, or all of a channel; returns their number; audited';

REVOKE ALL ON PROCEDURE finops.route_notifications(), finops.deliver_notifications() FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.claim_message(timestamptz), finops.send_message(bigint), finops.redeliver(bigint, text) FROM PUBLIC;
