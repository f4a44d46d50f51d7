/**
 * SQL for the value of the lines of a fulfillment order, in minor units, at the prices that the
 * hand-over brought. Both arguments are SQL for a jsonb array: its `lines`, and `lines` of the `received_order`.
 */
export const goodsMinor = (lines: string, orderLines: string): string => `
  (select sum((x ->> 'qty')::bigint * (l ->> 'unitPriceMinor')::bigint)
     from jsonb_array_elements(${lines}) x
     join jsonb_array_elements(${orderLines}) l on l ->> 'line' = x ->> 'line_id')::int8`
