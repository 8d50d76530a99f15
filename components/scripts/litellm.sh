# LiteLLM, and beside it the process that tells the Billing API what was used. That one may die at
# any time and begins anew; the container ends with LiteLLM.
while :; do
    python3 -P -m gateway.outbox_worker
    sleep 1
done &
exec python3 -P -m gateway.adapter.app
