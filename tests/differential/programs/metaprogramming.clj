;;;; vars-and-roots
(ns user (:require [clojure.test]))
(def x 1)
(def y "doc string" 2)
(println (:doc (meta #'y)))
(defonce once (do (println "evaluated") 5))
(defonce once (do (println "again") 6))
(println once)
(declare later)
(defn use-later [] (later 5))
(defn later [n] (* n n))
(println (use-later))
(println (bound? #'x) (bound? #'later))
(def unbound)
(println (bound? #'unbound))
(println (try (unbound 1) (catch Throwable e "unbound!")))
(def ^:dynamic *depth* 0)
(defn deep [] (if (< *depth* 3) (binding [*depth* (inc *depth*)] (cons *depth* (deep))) ()))
(println (deep))
(println (try (eval '(binding [x 2] x)) (catch Throwable e "can't bind static")))
(println (binding [*depth* 9] (set! *depth* 10) *depth*) *depth*)
(def f (binding [*depth* 5] (bound-fn [] *depth*)))
(println (f))
(def g (binding [*depth* 6] (bound-fn* (fn [k] (+ k *depth*)))))
(println (g 1))
(println (with-bindings {#'*depth* 42} *depth*) (with-bindings* {#'*depth* 43} (fn [a] [a *depth*]) 1))
(println (contains? (get-thread-bindings) #'*depth*))
(println (binding [*depth* 1] (doall (map (fn [_] *depth*) [1 2]))) (binding [*depth* 1] (map (fn [_] *depth*) [1 2])))
(println (var-get #'x) @#'x (deref #'x) (#'later 4))
(alter-var-root #'x + 10)
(println x)
(println (with-redefs [x 100 later (fn [_] :redef)] [x (use-later)]) x (use-later))
(println (with-redefs-fn {#'x 7} (fn [] x)))
(println (intern *ns* 'made 5) @(resolve 'made))
(println (ifn? #'later) (fn? #'later) (var? #'later))
(println ((juxt #'inc #'dec) 5))
(println (thread-bound? #'*depth*) (binding [*depth* 1] (thread-bound? #'*depth*)))
(println (:dynamic (meta #'*depth*)))
(def ^{:k "v"} with-meta-var 1)
(println (:k (meta #'with-meta-var)))
(alter-meta! #'with-meta-var assoc :z 9)
(println (select-keys (meta #'with-meta-var) [:k :z]))
;;;; pattern-matching-macro
(defmacro match-simple [expr & clauses]
  (let [v (gensym "v")]
    (letfn [(test-of [p x]
              (cond (= p '_) []
                    (symbol? p) []
                    (and (seq? p) (= 'quote (first p))) [`(= ~p ~x)]
                    (vector? p) (let [[fixed [_ more]] (split-with #(not= '& %) p)]
                                  (concat [`(sequential? ~x) (if more `(>= (count ~x) ~(count fixed)) `(= (count ~x) ~(count fixed)))]
                                          (mapcat (fn [i q] (test-of q `(nth ~x ~i))) (range) fixed)))
                    (map? p) (cons `(map? ~x) (mapcat (fn [[k q]] (cons `(contains? ~x ~k) (test-of q `(get ~x ~k)))) p))
                    :else [`(= ~p ~x)]))
            (binds-of [p x]
              (cond (= p '_) []
                    (symbol? p) [p x]
                    (vector? p) (let [[fixed [_ more]] (split-with #(not= '& %) p)]
                                  (concat (mapcat (fn [i q] (binds-of q `(nth ~x ~i))) (range) fixed) (when more [more `(drop ~(count fixed) ~x)])))
                    (map? p) (mapcat (fn [[k q]] (binds-of q `(get ~x ~k))) p)
                    :else []))]
      `(let [~v ~expr]
         (cond ~@(mapcat (fn [[p e]] [(if (= p :else) :else `(and ~@(test-of p v))) (if (= p :else) e `(let [~@(binds-of p v)] ~e))]) (partition 2 clauses)))))))
(defn f [x] (match-simple x [] :empty [1 & r] [:one r] [a b] [:two a b] {:type :circle :r r} (* 3 r r) {:a {:b [c _]}} [:deep c] "s" :string 'sym :symbol nil :nil :else [:other x]))
(doseq [x [[] [1] [1 2 3] [2 3] {:type :circle :r 2} {:a {:b [9 8]}} "s" 'sym nil :zzz {:type :square}]] (println (pr-str x) "->" (pr-str (f x))))
(defn simplify [e] (match-simple e [:+ 0 x] (simplify x) [:+ x 0] (simplify x) [:* 1 x] (simplify x) [:* 0 _] 0 [op a b] (let [a' (simplify a) b' (simplify b)] (if (= [a b] [a' b']) [op a b] (simplify [op a' b']))) :else e))
(prn (simplify [:+ 0 [:* 1 [:+ :x [:* 0 :y]]]]) (simplify [:+ [:* 1 2] 3]))
(defn diff [e v] (match-simple e [:+ a b] [:+ (diff a v) (diff b v)] [:* a b] [:+ [:* a (diff b v)] [:* (diff a v) b]] :else (if (= e v) 1 0)))
(prn (diff [:+ [:* :x :x] 3] :x) (simplify (diff [:* 3 :x] :x)))
;;;; macroexpansions-of-core
(doseq [f '[(when a b c) (when-not a b) (if-not a b c) (-> a b (c d)) (->> a b (c d)) (and) (and a) (or a) (cond) (if-let [x y] a b) (when-let [x y] z) (.. a b) (comment a) (declare a) (dotimes [i 3] x) (while a b) (as-> a b c) (doto a (b c)) (not-a-macro 1)]]
  (try (let [m (macroexpand-1 f)] (println (first f) (count m))) (catch Throwable e (println (first f) :err))))
(println (macroexpand-1 '(when a b c)) (macroexpand-1 '(-> a b (c d))) (macroexpand-1 '(->> a b (c d))) (macroexpand '(-> a (b c) d)) (macroexpand-1 '(foo a)) (macroexpand-1 5) (macroexpand 'x) (macroexpand-1 '(cond)) (macroexpand-1 '(comment x)) (macroexpand-1 '(and)) (macroexpand-1 '(and a)) (macroexpand-1 '(or)))
(defmacro m1 "doc" {:added "1"} ([a] `[~a]) ([a & more] `[~a ~@more])) (println (m1 1) (m1 1 2 3) (:doc (meta #'m1)) (:added (meta #'m1)) (:macro (meta #'m1)) (:arglists (meta #'m1)))
(println (def y 5) (defn ff [x] x) (defmacro mm [x] x) (defonce zz 1) (declare dd))
(println (special-symbol? 'if) (special-symbol? 'when) (special-symbol? 'fn*) (special-symbol? 'recur) (ifn? 'a) (fn? (fn [])))
(println ((fn* [x] (inc x)) 1) (let* [a 1 b (+ a 1)] b) (loop* [i 0] (if (< i 3) (recur (inc i)) i)) ((fn* ([x] x) ([x y] [x y])) 1 2) (letfn* [f (fn* f ([x] x))] (f 5)))
(println (let [when 5] when) (let [map (fn [x] [:shadow x])] (map 1)) ((fn [if] if) 3) (let [+ -] (+ 5 3)))
(defmacro infix [a op b] (list op a b)) (println (infix 1 + 2) (infix (infix 1 + 2) * 3))
(defmacro my-and ([] true) ([x] x) ([x & n] `(let [a# ~x] (if a# (my-and ~@n) a#)))) (println (my-and 1 2 3) (my-and 1 nil 3) (my-and))
(defmacro rev [& b] (reverse b)) (println (rev 1 2 +))
(defmacro while-let [[s e] & body] `(loop [] (when-let [~s ~e] ~@body (recur)))) (let [a (atom [1 2 3])] (while-let [x (peek @a)] (print x "") (swap! a pop))) (println)
(defmacro forloop [[i from to] & body] `(loop [~i ~from acc# []] (if (< ~i ~to) (recur (inc ~i) (conj acc# (do ~@body))) acc#))) (println (forloop [i 0 4] (* i i)))
(defmacro debug-let [bs & body] `(let [~@(mapcat (fn [[s e]] [s `(let [v# ~e] (println '~s "=" v#) v#)]) (partition 2 bs))] ~@body)) (println (debug-let [a 1 b (+ a 1)] (* a b)))
(defmacro const-time [] (+ 1 2)) (println (const-time)) (defmacro gen-fns [& ns] `(do ~@(for [n ns] `(defn ~(symbol (str "f-" n)) [] ~(str n))))) (gen-fns a b) (println (f-a) (f-b))
(defmacro capture [x] `(let [~'y 10] ~x)) (println (let [y 1] (capture y))) (defmacro hyg [x] `(let [y# 10] (+ y# ~x))) (println (let [y 1] (hyg y)))
(defmacro unroll [n e] `(do ~@(repeat n e))) (let [c (atom 0)] (unroll 3 (swap! c inc)) (println @c)) (defmacro kw-args [& {:keys [a b] :or {b 2}}] `[~a ~b]) (println (kw-args :a 1) (kw-args :b 3 :a (+ 1 1)))
(defmacro with-ctx [ctx & forms] `(-> ~ctx ~@(map (fn [f] (if (symbol? f) f `(~(first f) ~@(rest f)))) forms))) (println (with-ctx {} (assoc :a 1) (update :a inc) keys))
(defn helper [x] (str "h" x)) (defmacro uses-helper [x] (helper x)) (println (uses-helper 5)) (defmacro rec [n] (if (pos? n) `(+ 1 (rec ~(dec n))) 0)) (println (rec 5))
(defmacro defop [n f] `(defmacro ~n [& args#] `(~'~f ~@args#))) (defop plus +) (println (plus 1 2 3))
(println (eval '(let [x 5] (* x x))) (eval (list 'inc 1)) (eval `(map inc [1 2])) (eval '(do (defn qq [] 7) (qq))) ((eval '(fn [x] (* 2 x))) 4) (eval 5) (eval 'y) (eval ''a) (load-string "(def ls 3) (+ ls 1)"))
;;;; toplevel-order-and-redefinition
(defn g [] 1) (def a (g)) (defn g [] 2) (def b (g)) (println a b)
(def x 1) (defn fx [] x) (println (fx)) (def x 2) (println (fx) x)
(let [c (atom 0)] (defn inc-c [] (swap! c inc)) (defn get-c [] @c)) (inc-c) (inc-c) (println (get-c))
(when true (def z 1)) (if false (def q 1) (def q 2)) (do (def d1 1) (def d2 (inc d1))) (println z q d2)
(defn maker [n] (def made n)) (maker 5) (println made) (maker 6) (println made)
(def h (partial + 1)) (println (h 1)) (def compose (comp g)) (println (compose))
(defn k [] (declare later-k) 1) (declare later) (defn uses [] (later)) (defn later [] :later) (println (uses))
(defonce once 1) (defonce once 2) (println once)
(def ^:dynamic *unbound*) (println (binding [*unbound* 3] *unbound*))
(println (resolve 'g) (find-var 'user/g) @(resolve 'x) ((resolve 'g)) ((ns-resolve 'user 'g)) (apply (resolve (symbol "user" "g")) []) ((deref (ns-resolve *ns* (symbol "inc-c")))) (resolve 'nope) (ns-resolve *ns* 'nope))
(println (= #'x (var x)) (identical? #'x #'x) (var? #'x) (map #(% 1) [#'inc #'dec]) (-> #'x meta :name) (-> #'x symbol) (str #'x))
(println (sort (filter #{'g 'x 'a 'b 'made} (keys (ns-publics 'user)))) (contains? (ns-map 'user) 'map) (contains? (ns-interns *ns*) 'x) (ns-name (find-ns 'user)) (some? (the-ns 'user)))
(doseq [[n v] {"p1" 1 "p2" 2}] (eval `(def ~(symbol n) ~v))) (println @(resolve 'p1) (eval '(+ p1 p2)))
(defmacro defall [& ns] `(do ~@(map-indexed (fn [i n] `(def ~n ~i)) ns))) (defall aa bb cc) (println [aa bb cc])
(println (let [v (def inner 7)] [(var? v) @v inner])) (def lst (list 'a 'b)) (println (first lst) (quote (x y)) '[a b])
(println ((fn [a a] a) 1 2) (let [{:keys [a] :as a} {:a 1}] a) (let [x 1 x 2] x) ((fn [& _] _) 1 2) (let [[_ _ y] [1 2 3]] y))
(set! *print-length* 3) (println (range 10)) (set! *print-length* nil)
(def state {:n 0}) (def state (update state :n inc)) (def state (update state :n inc)) (println state)
(def fns (for [i (range 3)] (fn [] i))) (println (map #(%) fns)) (def m {:f (fn [x] (* 2 x))}) (println ((:f m) 4) (-> m :f (apply [5])))
(defn counter [] (let [n (atom 0)] {:inc #(swap! n inc) :get (fn [] @n)})) (let [{i :inc gt :get} (counter) c2 (counter)] (i) (i) ((:inc c2)) (println (gt) ((:get c2))))
(println (do (defn late-bound [] :v1) (let [f late-bound v #'late-bound] (defn late-bound [] :v2) [(f) (v) (late-bound)])))
;;;; macros-anaphoric-and-dsl
(defmacro aif [test then & [else]]
  `(let [~'it ~test] (if ~'it ~then ~else)))
(defmacro awhen [test & body] `(aif ~test (do ~@body)))
(defmacro aand
  ([] true)
  ([x] x)
  ([x & more] `(aif ~x (aand ~@more))))
(defmacro alambda [args & body] `(fn ~'self ~args ~@body))
(println (aif (get {:a 5} :a) (* it 2) :none) (aif nil 1 :none))
(println (awhen (seq [1 2]) (count it)))
(println (aand {:a {:b 3}} (:a it) (:b it) (inc it)))
(println ((alambda [n] (if (< n 2) 1 (* n (self (dec n))))) 10))
(defmacro -<> [x & forms]
  (if-let [[f & more] (seq forms)]
    `(-<> ~(if (seq? f) (map #(if (= % '<>) x %) f) (list f x)) ~@more)
    x))
(println (-<> 5 (- 10 <>) (range 1 <>) (map inc <>) vec))
(defmacro defenum [name & values]
  `(do
     (def ~name ~(zipmap (map keyword values) (range)))
     ~@(map-indexed (fn [i v] `(def ~(symbol (str name "-" v)) ~i)) values)))
(defenum color red green blue)
(println (sort-by val color) color-red color-blue)
(defmacro with-timing-of [name & body]
  `(let [log# (atom [])]
     (swap! log# conj [~(str name) :start])
     (let [result# (do ~@body)]
       (swap! log# conj [~(str name) :end])
       [result# @log#])))
(println (with-timing-of calc (+ 1 2) (* 3 4)))
(defmacro unless [c & body] (list 'if c nil (cons 'do body)))
(println (unless false 1 2) (unless true 1 2))
(defmacro swap-vars! [a b] `(let [t# ~a] [~b t#]))
(println (let [x 1 y 2] (swap-vars! x y)))
(defmacro my-cond [& clauses]
  (when clauses
    (list 'if (first clauses)
          (if (next clauses) (second clauses) (throw (IllegalArgumentException. "my-cond requires an even number of forms")))
          (cons `my-cond (nnext clauses)))))
(println (map #(my-cond (< % 0) :neg (= % 0) :zero :else :pos) [-1 0 1]))
(defmacro for-each [[x coll] & body] `(run! (fn [~x] ~@body) ~coll))
(for-each [a [1 2 3]] (print a "") (print (* a a) ";"))
(println)
(println (macroexpand-1 '(unless a b c)))
(println (macroexpand '(unless a b)))
;;;; macros-env-and-form
(defmacro locals [] (vec (sort (keys &env))))
(defmacro local-map [] (into {} (map (fn [s] [(keyword s) s]) (sort (keys &env)))))
(defmacro bound? [s] (contains? &env s))
(defmacro form-of [& _] `(quote ~&form))
(defmacro line-known? [] (boolean (:line (meta &form))))
(defn f [a b]
  (let [c (+ a b) [d & e] [1 2 3]]
    [(bound? a) (bound? z) (set (filter #{'a 'b 'c 'd 'e} '[a b c d e]))
     (select-keys (local-map) [:a :b :c :d :e])]))
(prn (form-of 1 (+ 2 3)))
(prn (line-known?))
(prn ((let [x 1] (fn [y] (loop [z 3] (select-keys (local-map) [:x :y :z])))) 2))
(defmacro dbg [x] `(let [v# ~x] (println '~x "=" v#) v#))
(dbg (+ 1 (dbg (* 2 3))))
(defmacro spy-all [& forms] `(do ~@(map (fn [f] `(println ~(pr-str f) "=>" ~f)) forms)))
(spy-all (+ 1 2) (map inc [1 2]) "s" :k)
(defmacro tagged [^String s] (:tag (meta s)))
(defmacro meta-of [x] `'~(dissoc (meta x) :line :column :end-line :end-column :file :source))
(prn (meta-of ^:dynamic foo) (meta-of ^{:a 1 :b [2]} [x]))
(defmacro nested-quote [x] `(quote (~x ~(list 'quote x) ~@[1 2 x])))
(prn (nested-quote abc))
;;;; macro-generating-macros
(defmacro def-binary-ops [& specs]
  `(do ~@(for [[name op] (partition 2 specs)]
           `(defmacro ~name [a# b#] (list '~op a# b#)))))
(def-binary-ops plus + minus - times *)
(println (plus 1 2) (minus 5 3) (times 4 (plus 1 1)))
(println (macroexpand-1 '(plus a b)))
(defmacro defalias [new old] `(defmacro ~new [& args#] (cons '~old args#)))
(defalias λ fn)
(defalias def' def)
(def' q 5)
(println ((λ [x] (* x q)) 6))
(defmacro make-accessors [prefix & fields]
  (cons 'do
        (mapcat (fn [f]
                  [`(defn ~(symbol (str prefix "-" f)) [~'m] (get ~'m ~(keyword f)))
                   `(defn ~(symbol (str "with-" prefix "-" f)) [~'m ~'v] (assoc ~'m ~(keyword f) ~'v))])
                fields)))
(make-accessors person name age)
(println (person-name {:name "Ada" :age 36}) (with-person-age {:name "Ada"} 37))
(defmacro defcached [name args & body]
  (let [cache (gensym "cache")]
    `(let [~cache (atom {})]
       (defn ~name ~args
         (if-let [e# (find @~cache ~args)]
           [:hit (val e#)]
           (let [v# (do ~@body)] (swap! ~cache assoc ~args v#) [:miss v#]))))))
(defcached slow-square [x] (* x x))
(println (slow-square 4) (slow-square 4) (slow-square 5))
(defmacro emit-twice [form] `(list (quote ~form) (quote ~form)))
(println (emit-twice (a b)))
(defmacro outer [x] ``(inner ~~x ~'~x))
(println (outer (+ 1 2)))
(println (eval `(let [x# 1 y# 2] (+ x# y#))))
(println (let [a 1] `[~a ~@(range a 4) [~(inc a)] {:k ~a} #{~a}]))
(println `{:a ~@[1]})

;;;; syntax-quote-nesting
(println `(a ~@[] b) `(~@[1 2] ~@nil ~(+ 1 2)) `[~@(map inc [1 2])] `#{~@[1 2]} `{~@[:a 1] ~@[]} `{:k [~(inc 1)]} `(1 . 2) `() `nil `"s" `:k `::k)
(println (eval (let [x 5 xs [1 2]] `(let [y# ~x] (+ y# ~@xs)))) (= 1 (count (set (filter symbol? (flatten `(y# [y#] (y#))))))))
(println (eval (let [n 'foo-fn] `(do (defn ~n [x#] (* x# 2)) (~n 21)))))
(defmacro make-adder-macro [name n] `(defmacro ~name [x#] `(+ ~x# ~~n))) (make-adder-macro add5 5) (println (add5 10))
(defmacro def-getters [& ks] `(do ~@(for [k ks] `(defn ~(symbol (str "get-" (name k))) [m#] (~k m#))))) (def-getters :a :b) (println (get-a {:a 1}) (get-b {:b 2}))
(defmacro once-only-sq [x] (let [g (gensym)] `(let [~g ~x] (* ~g ~g)))) (println (let [c (atom 0)] [(once-only-sq (swap! c inc)) @c]))
(defmacro nested-defn [outer inner] `(defn ~outer [] (letfn [(~inner [n#] (if (zero? n#) :done (~inner (dec n#))))] (~inner 3)))) (nested-defn oo ii) (println (oo))
(defmacro thread-it [x & fs] (reduce (fn [acc f] (if (seq? f) `(~(first f) ~acc ~@(rest f)) `(~f ~acc))) x fs)) (println (thread-it 5 inc (- 2) str) (macroexpand-1 '(thread-it 5 inc (- 2))))
(defmacro with-vars [bs & body] `(binding [~@(mapcat (fn [[v x]] [(symbol (str "*" (name v) "*")) x]) (partition 2 bs))] ~@body)) (def ^:dynamic *aa* 1) (println (with-vars [aa 5] *aa*) *aa*)
(println (meta `^{:a 1} [x]) (meta `^:b x) (vector? `[a]) (map? `{a b}) (set? `#{a}) (seq? `(a)) (list? `(a)))
(defmacro m-env [] `(quote ~(sort (map str (keys &env))))) (println (let [a 1 [b c] [2 3]] (filter #{"a" "b" "c"} (m-env))))
(defmacro assert-all [& pairs] `(do ~@(for [[e x] (partition 2 pairs)] `(when-not (= ~e ~x) (println "FAILED" '~x "expected" ~e "got" ~x))))) (assert-all 3 (+ 1 2) 5 (* 2 2))

;;;; metadata-everywhere
(defn ^{:doc "Adds" :x 1} add "real doc" {:since "1"} [a b] (+ a b)) (println (:doc (meta #'add)) (:x (meta #'add)) (:since (meta #'add)) (:arglists (meta #'add)) (:name (meta #'add)) (:macro (meta #'add)))
(println (meta (with-meta [1] {:a 1})) (meta (vary-meta [1] assoc :b 2)) (meta (conj (with-meta [1] {:a 1}) 2)) (meta (assoc (with-meta {} {:m 1}) :k 1)) (meta (into (with-meta #{} {:s 1}) [1])) (meta (rest (with-meta '(1 2) {:l 1}))) (meta (map inc (with-meta [1] {:a 1}))) (meta (seq (with-meta [1] {:a 1}))) (meta (empty (with-meta [1] {:a 1}))))
(println (try (with-meta 5 {}) (catch ClassCastException e :cce)) (try (with-meta "s" {}) (catch ClassCastException e :cce)) (meta 5) (meta nil) (meta :k) (meta "s") (with-meta [1] nil) (meta (with-meta [1] nil)) (try (with-meta [1] 5) (catch ClassCastException e :cce)))
(def a (atom 1 :meta {:m 1})) (println (meta a) (alter-meta! a assoc :n 2) (meta a) (reset-meta! a {}) (meta a)) (def ^:private p 1) (println (:private (meta #'p))) (alter-meta! #'p dissoc :private) (println (:private (meta #'p)))
(defmulti ^:mm mult "multi doc" identity) (println (:doc (meta #'mult)) (:mm (meta #'mult))) (defprotocol ^:pp Prot "prot doc" (meth [x] "meth doc")) (println (:doc (meta #'Prot)) (:doc (meta #'meth)) (:pp (meta #'Prot))) (defrecord Rec [a]) (println (meta (with-meta (->Rec 1) {:r 1})) (meta (assoc (with-meta (->Rec 1) {:r 1}) :a 2)) (:arglists (meta #'->Rec)))
(println (vary-meta 'x merge {:a 1} {:b 2}) (meta (vary-meta 'x merge {:a 1} {:b 2})) (-> {} (with-meta {:depth 1}) (vary-meta update :depth inc) meta))
(let [v ^{:cached true} [1 2 3]] (println (:cached (meta v)) (:cached (meta (conj v 4))) (:cached (meta (into [] v))) (:cached (meta (into v [1])))))
(println (binding [*print-meta* true] (pr-str ^{:a 1} [^:b {} ^{:c 2} #{1}])) (pr-str ^{:a 1} [1]) (binding [*print-meta* true] (pr-str (with-meta 'x {:k 1}))))
(println (meta (first [^:e []])) (map meta '[^:a x ^{:b 1} y]) (map (comp :tag meta) '[^int x ^String y]) (meta (lazy-seq [1])) (meta (with-meta (lazy-seq [1]) {:z 1})) (meta (with-meta (range 3) {:r 1})))
