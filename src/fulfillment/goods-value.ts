/**
 * SQL for the value of the lines of a fulfillment order, in minor units, at the prices of its order.
 * Both arguments are SQL for a jsonb array: `lines` of the one, `lines` of the other.
 */
export const goodsMinor = (lines: string, orderLines: string): string => `
  (select sum((x ->> 'qty')::bigint * (l ->> 'unit_price_minor')::bigint)
     from jsonb_array_elements(${lines}) x
     join jsonb_array_elements(${orderLines}) l on l ->> 'line' = x ->> 'line_id')::int8`
