-- What Northwind's orders amount to, by PostgreSQL itself: exact numerics, rounded half up per line.
-- The program that runs this copies the CSV files into the tables of the same names.

create temporary table orders (
  order_id smallint primary key,
  customer_id varchar(5),
  order_date date,
  shipped_date date,
  freight real,
  ship_name varchar(40),
  ship_address varchar(60),
  ship_city varchar(15),
  ship_region varchar(15),
  ship_postal_code varchar(10),
  ship_country varchar(15)
);

create temporary table order_details (
  order_id smallint not null,
  product_id smallint not null,
  unit_price real not null,
  quantity smallint not null,
  discount real not null,
  primary key (order_id, product_id)
);

create temporary table products (
  product_id smallint primary key,
  product_name varchar(40) not null
);

create temporary table customers (
  customer_id varchar(5) primary key,
  company_name varchar(40) not null
);

create temporary view expected_lines as
select order_id, product_id, quantity, unit_price::numeric(12, 2) as unit_price,
  round(unit_price::numeric * quantity * (1 - discount::numeric), 2) as extended_price
from order_details;

create temporary view expected_orders as
select o.order_id, o.customer_id, sum(l.extended_price) as subtotal,
  o.freight::numeric(12, 2) as freight,
  sum(l.extended_price) + o.freight::numeric(12, 2) as total, count(*) as lines
from orders o join expected_lines l using (order_id)
group by o.order_id;

create temporary view expected_customers as
select c.customer_id, c.company_name, count(*) as orders, sum(e.total) as total
from customers c join expected_orders e using (customer_id)
group by c.customer_id
order by orders desc, c.customer_id;

-- An order counts as sold when it was shipped, on the day on which it was ordered.
create temporary view expected_months as
select to_char(o.order_date, 'YYYY-MM') as month, count(*) as orders, sum(q.items) as items,
  sum(e.subtotal) as gross, sum(e.freight) as shipping
from orders o join expected_orders e using (order_id)
  join (select order_id, sum(quantity) as items from order_details group by order_id) as q
    using (order_id)
where o.shipped_date is not null
group by 1
order by 1;

create temporary view expected_products as
select l.product_id::text as sku, p.product_name, sum(l.quantity) as quantity,
  sum(l.extended_price) as revenue
from expected_lines l join products p using (product_id) join orders o using (order_id)
where o.shipped_date is not null
group by l.product_id, p.product_name
order by revenue desc, l.product_id;

create temporary view expected_best_customers as
select customer_id, orders, total from expected_customers order by total desc, customer_id desc;

-- What was shipped is confirmed here and not paid yet; the rest is not confirmed, and waits for
-- nothing.
create temporary view expected_stages as
select order_id, case when shipped_date is not null then 'to_pay' end as stage,
  case when shipped_date is not null then order_date end as since
from orders;
